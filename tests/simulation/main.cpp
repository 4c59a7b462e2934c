// simulation: lives of a fleet in virtual time. Exit codes: 0 nothing was violated, 1 something was, 64 usage.
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

#include "tests/simulation/simulation.h"

int main(int argc, char** argv) {
    using hwenroll::simulation::Plant;
    hwenroll::simulation::Options options;
    options.identities = 10'000;
    options.years = 10;
    const std::map<std::string, Plant> plants{{"nothing", Plant::nothing},
                                              {"jitter-off", Plant::jitter_off},
                                              {"no-clock-floor", Plant::no_clock_floor},
                                              {"destroy-before-publish", Plant::destroy_before_publish}};
    CLI::App app("Lives of a fleet in virtual time, with the real lifecycle code");
    app.add_option("--identities", options.identities, "how many machines with one identity each")
        ->capture_default_str();
    app.add_option("--years", options.years, "how long")->check(CLI::Range(1, 20))->capture_default_str();
    app.add_option("--seed", options.seed, "of all chance")->capture_default_str();
    app.add_option("--plant", options.plant, "a bug to be found")->transform(CLI::CheckedTransformer(plants));
    app.add_option("--threads", options.threads, "do not change the outcome")->capture_default_str();
    app.add_option("--trace", options.trace, "only this identity, with everything that happens to it");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 64;
    }
    const auto outcome = hwenroll::simulation::run(options, std::cout);
    std::cout << report(options, outcome);
    return outcome.violations.empty() ? 0 : 1;
}
