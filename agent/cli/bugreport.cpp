// `hwenroll bugreport`: one text file for somebody who is to help.
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/doctor_checks.h"
#include "agent/cli/output_file.h"
#include "agent/cli/scrubbed_text.h"
#include "agent/config/effective_configuration.h"
#include "agent/config/toml_text.h"
#include "agent/control/view_codec.h"
#include "agent/runtime/command_output.h"
#include "agent/runtime/system_clock.h"
#include "transport/scep/library_version.h"

namespace hwenroll::cli {
namespace {

constexpr std::int64_t history_limit = 500;
constexpr std::chrono::milliseconds output_time{15'000};
constexpr const char* systemctl = "/usr/bin/systemctl";
constexpr const char* journalctl = "/usr/bin/journalctl";

std::string first_line_with(const char* file, std::string_view begin) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(begin)) {
            return line;
        }
    }
    return std::string(begin) + "?";
}

/// The libraries that this process has loaded, whose file names bear their versions.
std::set<std::string> loaded_libraries() {
    std::set<std::string> libraries;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        const std::size_t path = line.find('/');
        if (path != std::string::npos && line.find(".so", path) != std::string::npos) {
            std::error_code failure;
            const auto real = std::filesystem::canonical(line.substr(path), failure);
            libraries.insert(failure ? line.substr(path) : real.string());
        }
    }
    return libraries;
}

std::string versions() {
    utsname system{};
    ::uname(&system);
    std::string text =
        fmt::format("hwenroll {}\nOpenSSL {}\n{} {} {}\n{}\n", HWENROLL_VERSION, scep::running_library().text(),
                    system.sysname, system.release, system.machine, first_line_with("/etc/os-release", "PRETTY_NAME="));
    for (const std::string& library : loaded_libraries()) {
        text += library + '\n';
    }
    return text;
}

std::string configuration_text(const Result<config::Configuration>& configuration) {
    if (!configuration) {
        return configuration.error().line() + '\n';
    }
    std::string text = config::to_toml(config::effective(*configuration));
    for (const config::Finding& finding : configuration->findings) {
        text += "# " + finding.error.line() + '\n';
    }
    return text;
}

std::string status_text(const CommandContext& context, FoundAgent& agent) {
    const auto views = identity_views(context.paths, agent.client, {});
    if (!views) {
        return views.error().line() + '\n';
    }
    nlohmann::json body{{"running", agent.client.has_value()}, {"identities", nlohmann::json::array()}};
    for (const control::IdentityView& view : *views) {
        body["identities"].push_back(control::to_json(view));
    }
    if (const auto told = health(context.paths, agent.client)) {
        body["agent"] = control::to_json(*told);
    }
    return agent.remark + (agent.remark.empty() ? "" : "\n") +
           body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string history_text(const CommandContext& context, FoundAgent& agent) {
    const auto events = history_events(context.paths, agent.client, {}, history_limit);
    if (!events) {
        return events.error().line() + '\n';
    }
    std::string text;
    for (const control::HistoryEvent& event : *events) {
        text += fmt::format("{}  {} {}  {}\n", to_iso8601(event.at), event.kind, event.name, event.text);
    }
    return text;
}

/// Names, modes, owners and sizes, never contents.
std::string listing(const std::filesystem::path& directory) {
    constexpr int most = 5000;
    std::string text = directory.string() + ":\n";
    std::error_code failure;
    std::filesystem::recursive_directory_iterator entry(directory, failure);
    int left = most;
    for (; !failure && entry != std::filesystem::recursive_directory_iterator() && left > 0; entry.increment(failure)) {
        struct stat status {};
        if (::lstat(entry->path().c_str(), &status) != 0) {
            continue;
        }
        std::error_code unread;
        const bool link = S_ISLNK(status.st_mode);
        text += fmt::format("{:06o} {}:{} {:>9} {}{}\n", status.st_mode, status.st_uid, status.st_gid, status.st_size,
                            entry->path().string(),
                            link ? " -> " + std::filesystem::read_symlink(entry->path(), unread).string() : "");
        --left;
    }
    return text + (failure ? "(" + failure.message() + ")\n" : left == 0 ? "(cut here)\n" : "");
}

std::string files_text(const CommandContext& context, const Result<config::Configuration>& configuration) {
    const config::AgentSettings agent =
        configuration ? configuration->agent : config::guess_agent_settings(context.paths);
    std::set<std::filesystem::path> directories{agent.state_dir, agent.publish_dir, agent.runtime_dir};
    // Beside a file of --config anything may stand.
    if (!context.paths.drop_ins.empty()) {
        directories.insert(context.paths.main.parent_path());
    }
    std::string text;
    for (const std::filesystem::path& directory : directories) {
        const bool below = std::ranges::any_of(directories, [&](const std::filesystem::path& other) {
            return other != directory && directory.string().starts_with(other.string() + "/");
        });
        text += below ? std::string() : listing(directory);
    }
    return text;
}

std::string units_text() {
    std::error_code ignored;
    if (!std::filesystem::exists("/run/systemd/system", ignored)) {
        return "systemd does not run here\n";
    }
    static constexpr const char* properties =
        "--property=Id,LoadState,UnitFileState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,"
        "NRestarts,StatusText,ActiveEnterTimestamp,MemoryCurrent,DropInPaths";
    return runtime::output_of({systemctl, "--no-pager", "show", "hwenrolld.service", "hwenroll-hook.socket",
                               "hwenroll-token@*.socket", "hwenroll-token@*.service", properties},
                              output_time);
}

std::string journal_text() {
    std::error_code ignored;
    if (!std::filesystem::exists("/run/systemd/journal", ignored)) {
        return "there is no journal here\n";
    }
    return runtime::output_of(
        {journalctl, "--no-pager", "--output=short-iso", "--lines=400", "--unit=hwenrolld.service",
         "--unit=hwenroll-token@*.service", "--unit=hwenroll-hook@*.service"},
        output_time);
}

std::vector<ReportSection> whole(const CommandContext& context) {
    const auto configuration = load(context);
    auto found = find_agent(context.paths);
    const std::string unfound = found ? std::string() : found.error().line() + '\n';
    FoundAgent agent = found ? *std::move(found) : FoundAgent();
    std::vector<ReportSection> sections{{"versions", versions()},
                                        {"configuration in force on disk", configuration_text(configuration)},
                                        {"status", unfound + status_text(context, agent)},
                                        {"history, newest first", history_text(context, agent)}};
    agent.client.reset();  // the examination makes a connection of its own
    sections.push_back({"doctor", examine(context, false, false).text(Screen())});
    sections.push_back({"units", units_text()});
    sections.push_back({"journal, newest last", journal_text()});
    sections.push_back({"files", files_text(context, configuration)});
    return sections;
}

std::filesystem::path default_name(TimePoint now) {
    std::string time = to_iso8601(now);
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    return "hwenroll-bugreport-" + time + ".txt";
}

}  // namespace

int bugreport(const CommandContext& context, const std::optional<std::filesystem::path>& out) {
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(context, clock.error());
    }
    const std::filesystem::path path = out.value_or(default_name((*clock)->now()));
    constexpr mode_t for_this_user = 0600;
    if (const Status written = write_output(path, scrubbed(whole(context)), {Existing::keep, for_this_user});
        !written) {
        return report(context, written.error());
    }
    if (context.output.json) {
        print_json("bugreport", {{"file", path.string()}});
        return 0;
    }
    std::fputs(fmt::format("written to {}\n"
                           "No PIN, challenge or key is in it. Look over what else you would not show before you send "
                           "it: names of machines, identities\nand users, addresses, certificates' subjects, paths, "
                           "arguments of hooks and the journal's lines.\n",
                           path.string())
                   .c_str(),
               stdout);
    return 0;
}

}  // namespace hwenroll::cli
