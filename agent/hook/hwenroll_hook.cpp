// hwenroll-hook: started as root by hwenroll-hook@.service for each connection of the agent.
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <pwd.h>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include "agent/config/loader.h"
#include "agent/hook/hook_service.h"
#include "agent/hook/trusted_file.h"

namespace {

using namespace hwenroll;  // NOLINT(google-build-using-namespace): the program's own vocabulary

int complain(const Error& error) {
    fmt::print(stderr, "{}\n", error.line());
    return error.info().exit_code;
}

/// A user's number, from its name or the number itself.
Result<uid_t> user_number(const std::string& user) {
    uid_t number = 0;
    const auto [stop, error] = std::from_chars(user.data(), user.data() + user.size(), number);
    if (error == std::errc() && stop == user.data() + user.size()) {
        return number;
    }
    const passwd* const entry = ::getpwnam(user.c_str());
    if (entry == nullptr) {
        return fail(ErrorCode::usage, fmt::format("there is no user '{}'", printable(user, 64)), {},
                    "name the agent's user with --user");
    }
    return entry->pw_uid;
}

/// O3: with the service's name as its tag in the journal, and nowhere else.
int report(const hook::ServiceOutcome& outcome) {
    if (outcome.refusal) {
        return complain(*outcome.refusal);
    }
    if (outcome.hooks) {
        fmt::print(stderr, "{}{}\n", outcome.hooks->output(), outcome.hooks->text());
        return outcome.hooks->succeeded() ? 0 : error_info(ErrorCode::hook_failed).exit_code;
    }
    return 0;
}

int serve(const std::string& user, const config::ConfigurationPaths& paths, std::chrono::milliseconds time_out) {
    const auto peer = user_number(user);
    if (!peer) {
        return complain(peer.error());
    }
    if (::sd_listen_fds(1) != 1) {
        return complain(Error(ErrorCode::usage, "hwenroll-hook was not given one connection", {},
                              "let systemd start it: enable hwenroll-hook.socket"));
    }
    FileDescriptor connection(SD_LISTEN_FDS_START);
    std::optional<hook::ServiceOutcome> outcome;
    runtime::EventLoop* running = nullptr;
    auto loop = runtime::EventLoop::make([&] { running->stop(); });
    if (!loop) {
        return complain(loop.error());
    }
    running = loop->get();
    hook::HookRules rules;
    rules.peer = *peer;
    rules.time_out = time_out;
    rules.load = [&paths]() -> Result<config::Configuration> {
        if (const Status trusted = hook::check_root_owned(paths); !trusted) {
            return fail(trusted.error());
        }
        return config::load(paths);
    };
    const auto service =
        hook::HookService::start(*running, std::move(connection), std::move(rules), [&](hook::ServiceOutcome result) {
            outcome = std::move(result);
            running->stop();
        });
    if (const Status ran = running->run(); !ran) {
        return complain(ran.error());
    }
    return outcome ? report(*outcome)
                   : complain(Error(ErrorCode::interrupted, "a signal ended the hooks", {}, "they are run again"));
}

int run(int argc, char** argv) {
    std::string user = "hwenroll";
    std::string file;
    double seconds = std::chrono::duration<double>(runtime::hook_time_out).count();
    CLI::App app("runs the hooks of root's configuration for the hwenroll agent; started by systemd", "hwenroll-hook");
    app.set_version_flag("--version", "hwenroll-hook " HWENROLL_VERSION);
    app.add_option("--user", user, "the agent's user, who alone may ask")->type_name("USER");
    app.add_option("--config", file, "configuration file, instead of /etc/hwenroll")->type_name("FILE");
    app.add_option("--time-out", seconds, "for all hooks of a change together")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.1, 3600.0));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return error.get_exit_code() == 0
                   ? app.exit(error)
                   : complain(Error(ErrorCode::usage, error.what(), {}, "see 'hwenroll-hook --help'"));
    }
    return serve(user, file.empty() ? config::ConfigurationPaths{} : config::only(file),
                 std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) {
        return complain(Error(ErrorCode::internal, "an unexpected failure", exception.what()));
    }
}
