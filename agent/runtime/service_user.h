// Whom root becomes, so that what it does with another user's state is what that user's service would do (ADR 0024).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/result.h"

namespace hwenroll::runtime {

/// The user whose the state is, as the service manager would start a service of that user.
struct ServiceUser {
    uid_t user = 0;
    gid_t group = 0;
    std::string name;  ///< its number, where the system has no name for it
    std::string home;  ///< empty: the system does not know the user
    std::string shell;
    std::vector<gid_t> groups;  ///< its own, and those that the units of the agent add
};

/// Whether a variable (`NAME=value`) of root's environment is for the service's user too: the locale, the time zone,
/// what systemd hands over, and where tokens' modules are configured. No other is, whatever a shell has exported.
bool goes_along(std::string_view variable);

/// The owner of `state_dir` if this is root and that is somebody else; otherwise nothing, as for a directory that is
/// not there. Asks systemctl, where systemd runs, what groups the units give. A user that the system does not know has
/// the directory's group, which may not be root's. Errors: state_directory, interrupted (a signal came meanwhile).
Result<std::optional<ServiceUser>> user_to_become(const std::filesystem::path& state_dir);

/// Gives up root for good: groups, user, environment (but for what goes_along(); PATH, HOME, USER, LOGNAME and SHELL
/// are the service's), session keyring; and root's terminal, unless this leads its session. The process is dumpable
/// afterwards as fs.suid_dumpable has it (prctl(2)). Before any thread is started. `state_dir` is for the message,
/// which names what to type instead. Error code: state_directory.
Status become(const ServiceUser& user, const std::filesystem::path& state_dir);

/// The names in SupplementaryGroups= of what `systemctl show --property=User,SupplementaryGroups` prints of units, of
/// those alone whose User= is `user`.
std::vector<std::string> groups_of_units(std::string_view shown, std::string_view user);

}  // namespace hwenroll::runtime
