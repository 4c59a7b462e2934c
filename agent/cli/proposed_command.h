// What is proposed to be typed: a command that works as it stands, with the configuration that was read and the way in
// which the agent runs here.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "agent/config/loader.h"
#include "base/error.h"

namespace hwenroll::cli {

/// What proposals depend on.
struct ProposalGround {
    std::filesystem::path configuration = {};  ///< of --config; empty: /etc/hwenroll
    bool service = false;                      ///< systemd runs here and has hwenrolld.service
    bool timer = false;                        ///< hwenroll-once.timer is enabled in place of that
    /// The agent that listens, if it is none of systemd's.
    std::function<std::optional<pid_t>()> agent = {};
};

/// Looks at this machine.
ProposalGround proposal_ground(const config::ConfigurationPaths& paths);

/// `command` as the code spells it, for /etc/hwenroll and under systemd, as it has to be typed: `hwenroll resume web`
/// gets --config, `systemctl reload hwenrolld` is the signal where systemd does not run the agent. Any other command
/// stays.
std::string proposed_command(const ProposalGround& ground, std::string_view command);

/// A sentence with each command that stands between single quotes proposed so.
std::string with_proposed_commands(const ProposalGround& ground, std::string_view text);

/// The same in what comes next of an error.
Error with_proposed_commands(const ProposalGround& ground, const Error& error);

/// That no identity is configured, and the command for it: `init` adds none to a file of --config that is there.
std::string no_identity_text(const ProposalGround& ground);

}  // namespace hwenroll::cli
