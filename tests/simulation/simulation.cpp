#include "tests/simulation/simulation.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <thread>

#include <fmt/format.h>

namespace hwenroll::simulation {
namespace {

constexpr double highest_ratio = 1.5;
constexpr std::size_t shown = 3;
constexpr std::uint32_t at_once = 16;

/// One thread's share.
struct Part {
    Load load;
    Figures figures;
    std::vector<Violation> violations;
};

void live(const Options& options, const AuthorityTimeline& timeline, std::uint32_t identity, Part& part,
          const Machine::Trace& trace) {
    Machine machine(options, timeline, identity, part.load, trace);
    machine.run();
    part.figures.add(machine.figures());
    if (machine.violation()) {
        part.violations.push_back(*machine.violation());
    }
}

void live_all(const Options& options, const AuthorityTimeline& timeline, std::atomic<std::uint32_t>& next, Part& part) {
    for (std::uint32_t begin = next.fetch_add(at_once); begin < options.identities; begin = next.fetch_add(at_once)) {
        for (std::uint32_t i = begin; i < std::min(begin + at_once, options.identities); ++i) {
            live(options, timeline, i, part, {});
        }
    }
}

/// The highest that may be: N18's ratio, or what chance explains where the mean is small.
double allowed(double mean) {
    return std::max(highest_ratio * mean, mean + 6 * std::sqrt(mean) + 6);
}

void judge_load(Outcome& outcome) {
    const Load::Peak& outage = outcome.after_outage;
    if (outage.highest > allowed(outage.mean)) {
        outcome.violations.push_back(
            {0, outage.at, "load",
             fmt::format("after the outage {} in one bin, {:.2f} times the mean", outage.highest, outage.ratio())});
    }
    const Load::Peak& daily = outcome.in_any_day;
    if (daily.highest > allowed(daily.mean)) {
        outcome.violations.push_back(
            {0, daily.at, "load",
             fmt::format("{} renewals in an hour of a day with {:.1f} on average, which chance "
                         "does not explain",
                         daily.highest, daily.mean)});
    }
}

std::string command(const Options& options) {
    constexpr std::array<const char*, 4> plants{"", " --plant jitter-off", " --plant no-clock-floor",
                                                " --plant destroy-before-publish"};
    return fmt::format("simulation --identities {} --years {} --seed {}{}", options.identities, options.years,
                       options.seed, plants[static_cast<std::size_t>(options.plant)]);
}

}  // namespace

Outcome run(const Options& options, std::ostream& trace) {
    const AuthorityTimeline timeline(options.seed, options.years);
    Part whole{Load(timeline.run()), {}, {}};
    if (options.trace) {
        live(options, timeline, *options.trace, whole, [&](const std::string& line) { trace << line << '\n'; });
        return {whole.violations, whole.figures, {}, {}, {}};
    }
    std::atomic<std::uint32_t> next = 0;
    std::vector<Part> parts(std::max(1U, options.threads), whole);
    std::vector<std::thread> threads;
    for (Part& part : parts) {
        threads.emplace_back([&] { live_all(options, timeline, next, part); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (Part& part : parts) {
        whole.load.add(part.load);
        whole.figures.add(part.figures);
        whole.violations.insert(whole.violations.end(), part.violations.begin(), part.violations.end());
    }
    std::ranges::sort(whole.violations, {}, &Violation::identity);
    Outcome outcome{whole.violations, whole.figures, whole.load.after_outage(timeline), whole.load.in_any_day(timeline),
                    whole.load.recovery(timeline)};
    judge_load(outcome);
    return outcome;
}

std::string report(const Options& options, const Outcome& outcome) {
    const Figures& f = outcome.figures;
    std::string text = command(options) + "\n";
    text += fmt::format(
        "  {} identity ({} idle) and {} authority decisions; {} certificates, {} published, {} shadows, {} polls\n",
        f.decisions, f.idle, f.authority_decisions, f.issued, f.published, f.shadows, f.polls);
    text += fmt::format(
        "  {} crashes, {} suspends, {} clock jumps; {} failed effects, {} holds, {} alerts, {} keys "
        "destroyed, {} expiries that nothing could prevent, {} gaps before a rollover\n",
        f.crashes, f.suspends, f.clock_jumps, f.failures, f.holds, f.alerts, f.keys_destroyed, f.excused_expiries,
        f.gaps);
    text += fmt::format("  {} switches that a power failure could undo, {} that one did\n", f.not_durable, f.undone);
    if (!options.trace) {
        text += fmt::format("  after the outage: 95 % in {}, highest bin {} = {:.2f} times the mean\n",
                            to_words(outcome.recovery), outcome.after_outage.highest, outcome.after_outage.ratio());
        text += fmt::format("  before it: worst hour of any day {} with a mean of {:.1f}\n", outcome.in_any_day.highest,
                            outcome.in_any_day.mean);
    }
    std::map<std::string, std::vector<const Violation*>> rules;
    for (const Violation& violation : outcome.violations) {
        rules[violation.rule].push_back(&violation);
    }
    for (const auto& [rule, violations] : rules) {
        text += fmt::format("VIOLATED {}: {} times\n", rule, violations.size());
        for (std::size_t i = 0; i < std::min(shown, violations.size()); ++i) {
            text += fmt::format("  {} identity {}: {}\n", to_iso8601(violations[i]->at), violations[i]->identity,
                                violations[i]->what);
        }
    }
    if (!outcome.violations.empty() && outcome.violations.front().rule != "load") {
        text += fmt::format("see it again: {} --trace {}\n", command(options), outcome.violations.front().identity);
    }
    return text;
}

}  // namespace hwenroll::simulation
