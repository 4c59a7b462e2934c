#include "agent/cli/proposed_command.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "agent/cli/configuration_draft.h"
#include "agent/control/client.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

/// Where a command of a line ends by itself: at an operator of the shell, or at a comment.
std::size_t end_of_command(std::string_view line) {
    char quote = '\0';
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '|' || c == '&' || c == ';' || c == '>' || (c == '#' && i > 0 && line[i - 1] == ' ')) {
            return i;
        }
    }
    return line.size();
}

bool begins_with_word(std::string_view text, std::string_view word) {
    return text.starts_with(word) && (text.size() == word.size() || text[word.size()] == ' ');
}

bool has_option(std::string_view command, std::string_view option) {
    return command.find(" " + std::string(option)) != std::string_view::npos;
}

/// Whether --config makes a difference to a command and does not stand there yet.
bool reads_configuration(std::string_view command) {
    const bool ours = begins_with_word(command, "hwenroll") || begins_with_word(command, "hwenrolld");
    const bool says_all = has_option(command, "--config") || has_option(command, "--dir") ||
                          has_option(command, "--help") || has_option(command, "--module") ||
                          begins_with_word(command, "hwenroll scep") ||
                          (begins_with_word(command, "hwenroll ca show") && command.find("://") != command.npos);
    return ours && !says_all;
}

std::string option_of(const ProposalGround& ground) {
    return ground.configuration.empty() ? std::string() : " --config " + shell_word(ground.configuration.string());
}

std::string start_of_agent(const ProposalGround& ground) {
    if (!ground.service || !ground.configuration.empty()) {
        return "hwenrolld" + option_of(ground);
    }
    return ground.timer ? "systemctl start hwenroll-once.service" : "systemctl start hwenrolld";
}

/// What systemd would do to its unit.
std::string proposed_unit_command(const ProposalGround& ground, std::string_view command) {
    const bool starts = command == "systemctl start hwenrolld" || command == "systemctl enable --now hwenrolld";
    if (starts) {
        const bool unit = ground.service && ground.configuration.empty() && !ground.timer;
        return unit ? std::string(command) : start_of_agent(ground);
    }
    const bool reloads = command == "systemctl reload hwenrolld";
    if (!reloads && command != "systemctl restart hwenrolld") {
        return std::string(command);
    }
    const auto agent = ground.agent ? ground.agent() : std::nullopt;
    if (agent && reloads) {
        return fmt::format("kill -HUP {}", *agent);
    }
    if (agent) {
        // A process that was stopped (SIGSTOP) ends only when it goes on.
        return fmt::format("kill {0}; kill -CONT {0}; tail --pid={0} -f /dev/null; hwenrolld{1}", *agent,
                           option_of(ground));
    }
    return ground.service && ground.configuration.empty() ? std::string(command) : start_of_agent(ground);
}

/// One command without operators of the shell and without blanks around it.
std::string proposed_alone(const ProposalGround& ground, std::string_view command) {
    constexpr std::string_view sudo = "sudo ";
    if (command.starts_with(sudo)) {
        return std::string(sudo) + proposed_alone(ground, command.substr(sudo.size()));
    }
    if (command.starts_with("systemctl ")) {
        return proposed_unit_command(ground, command);
    }
    return reads_configuration(command) ? std::string(command) + option_of(ground) : std::string(command);
}

/// Whether the process belongs to hwenrolld.service: the name of its control group says so.
bool is_of_service(pid_t process) {
    std::ifstream in(fmt::format("/proc/{}/cgroup", process));
    const std::string groups{std::istreambuf_iterator<char>(in), {}};
    return groups.find("/hwenrolld.service") != std::string::npos;
}

bool has_unit(std::string_view name) {
    static constexpr std::array<std::string_view, 4> places{"/etc/systemd/system", "/run/systemd/system",
                                                            "/usr/lib/systemd/system", "/lib/systemd/system"};
    return std::ranges::any_of(places, [&](std::string_view place) {
        std::error_code unseen;
        return fs::exists(fs::path(place) / name, unseen);
    });
}

}  // namespace

ProposalGround proposal_ground(const config::ConfigurationPaths& paths) {
    ProposalGround ground;
    const bool is_default = paths.main == config::ConfigurationPaths().main;
    ground.configuration = is_default ? fs::path() : paths.main;
    std::error_code unseen;
    ground.service = fs::exists("/run/systemd/system", unseen) && has_unit("hwenrolld.service");
    ground.timer = ground.service && fs::is_symlink(fs::symlink_status(
                                         "/etc/systemd/system/timers.target.wants/hwenroll-once.timer", unseen));
    ground.agent = [paths]() -> std::optional<pid_t> {
        const auto agent = control::process_behind(config::guess_agent_settings(paths).runtime_dir);
        return agent && !is_of_service(*agent) ? agent : std::nullopt;
    };
    return ground;
}

std::string proposed_command(const ProposalGround& ground, std::string_view command) {
    std::string out;
    while (!command.empty()) {
        const std::size_t end = end_of_command(command);
        const std::size_t begin = std::min(command.find_first_not_of(' '), end);
        const std::size_t last = end == 0 ? std::string_view::npos : command.find_last_not_of(' ', end - 1);
        const std::size_t stop = last == std::string_view::npos ? begin : std::max(begin, last + 1);
        out += command.substr(0, begin);
        out += proposed_alone(ground, command.substr(begin, stop - begin));
        out += command.substr(stop, end - stop);
        if (end == command.size()) {
            break;
        }
        if (command[end] == '#') {
            return out + std::string(command.substr(end));
        }
        out += command[end];
        command.remove_prefix(end + 1);
    }
    return out;
}

std::string with_proposed_commands(const ProposalGround& ground, std::string_view text) {
    std::string out;
    for (;;) {
        const std::size_t begin = text.find('\'');
        const std::size_t end = begin == std::string_view::npos ? begin : text.find('\'', begin + 1);
        if (end == std::string_view::npos) {
            return out.append(text);
        }
        const std::string_view quoted = text.substr(begin + 1, end - begin - 1);
        const bool is_command = quoted.starts_with("hwenroll ") || begins_with_word(quoted, "hwenrolld") ||
                                quoted.starts_with("systemctl ") || quoted.starts_with("sudo hwenroll ");
        out += text.substr(0, begin + 1);
        if (!is_command) {
            // What stands between may be an apostrophe: the next quote may begin a command.
            text.remove_prefix(begin + 1);
            continue;
        }
        out += proposed_command(ground, quoted) + '\'';
        text.remove_prefix(end + 1);
    }
}

Error with_proposed_commands(const ProposalGround& ground, const Error& error) {
    Error out(error.code(), error.what(), error.why(), with_proposed_commands(ground, error.next()));
    return error.subject().empty() ? out : std::move(out).about(error.subject());
}

std::string no_identity_text(const ProposalGround& ground) {
    return ground.configuration.empty()
               ? std::string("no identity is configured\nnext: hwenroll init")
               : fmt::format("no identity is configured: {} has no [identity.*] section\nnext: man hwenroll.toml",
                             ground.configuration.string());
}

}  // namespace hwenroll::cli
