#include "agent/runtime/service_user.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <grp.h>
#include <iterator>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/runtime/command_output.h"

namespace hwenroll::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* systemctl = "/usr/bin/systemctl";
constexpr std::chrono::seconds patience{10};

std::string units_as_shown() {
    std::error_code failure;
    if (!fs::is_directory("/run/systemd/system", failure) || !fs::exists(systemctl, failure)) {
        return {};
    }
    return output_of(
        {systemctl, "show", "hwenrolld.service", "hwenroll-once.service", "--property=User,SupplementaryGroups"},
        patience);
}

std::vector<gid_t> groups_of(const passwd& user) {
    int count = 0;
    ::getgrouplist(user.pw_name, user.pw_gid, nullptr, &count);
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) {
        groups.clear();
    }
    for (const std::string& name : groups_of_units(units_as_shown(), user.pw_name)) {
        if (const group* const added = ::getgrnam(name.c_str());
            added != nullptr && std::ranges::find(groups, added->gr_gid) == groups.end()) {
            groups.push_back(added->gr_gid);
        }
    }
    return groups;
}

ServiceUser user_of(const struct stat& owned) {
    const passwd* const entry = ::getpwuid(owned.st_uid);
    if (entry == nullptr) {
        return {owned.st_uid, owned.st_gid, std::to_string(owned.st_uid), {}, {}, {}};
    }
    // A copy of the fields: what follows asks the same database.
    ServiceUser user{entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir, entry->pw_shell, {}};
    passwd kept{};
    kept.pw_name = user.name.data();
    kept.pw_gid = user.group;
    user.groups = groups_of(kept);
    return user;
}

}  // namespace

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
    return status.st_uid == 0 ? std::optional<ServiceUser>() : std::optional(user_of(status));
}

Status become(const ServiceUser& user, const fs::path& state_dir) {
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
