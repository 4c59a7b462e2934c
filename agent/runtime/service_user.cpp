#include "agent/runtime/service_user.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <iterator>
#include <pwd.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/command_output.h"
#include "base/file_descriptor.h"

namespace hwenroll::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* systemctl = "/usr/bin/systemctl";
constexpr std::chrono::seconds patience{10};

Result<std::string> units_as_shown() {
    std::error_code failure;
    if (!fs::is_directory("/run/systemd/system", failure) || !fs::exists(systemctl, failure)) {
        return std::string();
    }
    return output_unless_ended(
        {systemctl, "show", "hwenrolld.service", "hwenroll-once.service", "--property=User,SupplementaryGroups"},
        patience);
}

/// Nothing: the system does not tell them. Its answer may differ from call to call.
std::optional<std::vector<gid_t>> groups_in_database(const ServiceUser& user) {
    constexpr int tries = 16;
    std::vector<gid_t> groups(1);
    for (int i = 0; i < tries; ++i) {
        int count = static_cast<int>(groups.size());
        const int told = ::getgrouplist(user.name.c_str(), user.group, groups.data(), &count);
        if (count <= 0) {
            return std::nullopt;
        }
        // Also to fewer than there was room for: what is left over reads as root's group.
        groups.resize(static_cast<std::size_t>(count));
        if (told >= 0) {
            return groups;
        }
    }
    return std::nullopt;
}

Status add_groups_of_units(std::vector<gid_t>& groups, const std::string& user) {
    const auto shown = units_as_shown();
    if (!shown) {
        return fail(shown.error());
    }
    for (const std::string& name : groups_of_units(*shown, user)) {
        if (const group* const added = ::getgrnam(name.c_str());
            added != nullptr && std::ranges::find(groups, added->gr_gid) == groups.end()) {
            groups.push_back(added->gr_gid);
        }
    }
    return {};
}

Result<std::optional<ServiceUser>> user_of(const struct stat& owned, const fs::path& state_dir) {
    const passwd* const entry = ::getpwuid(owned.st_uid);
    if (entry == nullptr) {
        if (owned.st_gid == 0) {
            return fail(
                Error(ErrorCode::state_directory,
                      fmt::format(
                          "the state directory {} belongs to user {}, which the system does not know, and root's group",
                          state_dir.string(), owned.st_uid),
                      "that user would have root's group",
                      fmt::format("type 'chgrp GROUP {}' with that user's group", state_dir.string())));
        }
        return ServiceUser{owned.st_uid, owned.st_gid, std::to_string(owned.st_uid), {}, {}, {}};
    }
    // A copy of the fields: what follows asks the same database.
    ServiceUser user{entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir, entry->pw_shell, {}};
    auto groups = groups_in_database(user);
    if (!groups) {
        return fail(Error(ErrorCode::state_directory,
                          fmt::format("the state directory {} belongs to user {}, whose groups are not told",
                                      state_dir.string(), user.name),
                          "getgrouplist failed", fmt::format("see 'id {}'", user.name)));
    }
    user.groups = std::move(*groups);
    if (const Status added = add_groups_of_units(user.groups, user.name); !added) {
        return fail(added.error());
    }
    return user;
}

/// Whoever has root's terminal can type at it (TIOCSTI, ioctl_tty(2)), and root's shell reads that afterwards. The head
/// of a session keeps it: it would take it from the whole session, with SIGHUP, and no shell is there to come back to.
bool leave_terminal() {
    if (::getsid(0) == ::getpid()) {
        return true;
    }
    const FileDescriptor terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.valid()) {
        return errno == ENXIO || errno == ENOENT;
    }
    return ::ioctl(terminal.get(), TIOCNOTTY) == 0;
}

/// Keys that root's login has put there would be possessed by whatever runs as that user (keyrings(7)). False: the
/// kernel has keyrings, and this process may use them, but gives it none.
bool leave_session_keyring() {
    constexpr int join = 1;  // KEYCTL_JOIN_SESSION_KEYRING of <linux/keyctl.h>, which C++ compilers of old cannot read
    return ::syscall(SYS_keyctl, join, nullptr) >= 0 || errno == ENOSYS || errno == EPERM;
}

/// The service has the environment that systemd makes; of root's shell goes along what goes_along().
void replace_environment() {
    std::vector<std::string> kept;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        if (goes_along(*variable)) {
            kept.emplace_back(*variable);
        }
    }
    ::clearenv();
    for (const std::string& variable : kept) {
        const std::size_t end = variable.find('=');
        ::setenv(variable.substr(0, end).c_str(), variable.substr(end + 1).c_str(), 1);
    }
    ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

}  // namespace

bool goes_along(std::string_view variable) {
    constexpr std::array whole{"LANG", "LANGUAGE", "TZ", "TERM",
                               // systemd.exec(5), sd_notify(3), sd_listen_fds(3)
                               "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM", "INVOCATION_ID",
                               "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY",
                               "CONFIGURATION_DIRECTORY", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                               // where tokens' modules find their configuration
                               "SOFTHSM2_CONF", "OPENSC_CONF", "TPM2_PKCS11_STORE", "TPM2_PKCS11_TCTI",
                               // of test builds
                               "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};
    constexpr std::array<std::string_view, 2> beginnings{"LC_", "HWENROLL_"};
    const std::string_view name = variable.substr(0, variable.find('='));
    return name.size() < variable.size() &&
           (std::ranges::find(whole, name) != whole.end() ||
            std::ranges::any_of(beginnings, [&](std::string_view begin) { return name.starts_with(begin); }));
}

std::vector<std::string> groups_of_units(std::string_view shown, std::string_view user) {
    std::vector<std::string> groups;
    std::vector<std::string> of_unit;
    bool is_users = false;
    const auto end_unit = [&] {
        if (is_users) {
            groups.insert(groups.end(), of_unit.begin(), of_unit.end());
        }
        of_unit.clear();
        is_users = false;
    };
    std::istringstream lines{std::string(shown)};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty()) {
            end_unit();
        } else if (line.starts_with("User=")) {
            is_users = !user.empty() && line.substr(line.find('=') + 1) == user;
        } else if (line.starts_with("SupplementaryGroups=")) {
            std::istringstream words(line.substr(line.find('=') + 1));
            of_unit.assign(std::istream_iterator<std::string>(words), {});
        }
    }
    end_unit();
    return groups;
}

Result<std::optional<ServiceUser>> user_to_become(const fs::path& state_dir) {
    struct stat status {};
    if (::geteuid() != 0) {
        return std::optional<ServiceUser>();
    }
    if (::stat(state_dir.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<std::optional<ServiceUser>>(std::nullopt)
                               : fail(Error(ErrorCode::state_directory,
                                            "cannot see whose the state directory " + state_dir.string() + " is",
                                            std::strerror(errno)));
    }
    return status.st_uid == 0 ? Result<std::optional<ServiceUser>>(std::nullopt) : user_of(status, state_dir);
}

Status become(const ServiceUser& user, const fs::path& state_dir) {
    if (!leave_terminal()) {
        return fail(Error(ErrorCode::state_directory,
                          fmt::format("user {}, whose the state directory {} is, would have root's terminal", user.name,
                                      state_dir.string()),
                          std::string("it cannot be left: ") + std::strerror(errno),
                          "type 'systemctl start hwenroll-once.service' or 'setsid --wait hwenrolld --once'"));
    }
    if (!leave_session_keyring()) {
        return fail(Error(ErrorCode::state_directory,
                          fmt::format("user {}, whose the state directory {} is, would have root's session keyring",
                                      user.name, state_dir.string()),
                          std::string("no other is given: ") + std::strerror(errno),
                          "type 'systemctl start hwenroll-once.service'"));
    }
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 ||
        ::setresgid(user.group, user.group, user.group) != 0 || ::setresuid(user.user, user.user, user.user) != 0) {
        return fail(Error(ErrorCode::state_directory,
                          fmt::format("the state directory {} belongs to user {}, which this process may not become",
                                      state_dir.string(), user.name),
                          std::strerror(errno),
                          fmt::format("type 'systemctl start hwenroll-once.service', or run it as that user: 'setpriv "
                                      "--reuid={0} --regid={1} {2} hwenrolld --once'",
                                      user.name, user.group, user.home.empty() ? "--clear-groups" : "--init-groups")));
    }
    replace_environment();
    const auto set = [](const char* name, const std::string& value) {
        return value.empty() ? ::unsetenv(name) : ::setenv(name, value.c_str(), 1);
    };
    // As systemd.exec(5) has them for User=: modules look for their configuration in HOME.
    set("HOME", user.home);
    set("SHELL", user.shell);
    set("USER", user.name);
    set("LOGNAME", user.name);
    return {};
}

}  // namespace hwenroll::runtime
