#include "agent/publish/group.h"

#include <algorithm>
#include <cerrno>
#include <grp.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

namespace hwenroll::publish {

Result<gid_t> group_of_service(const std::string& name) {
    std::vector<char> buffer(16'384);
    group entry{};
    group* found = nullptr;
    int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    while (error == ERANGE && buffer.size() < (std::size_t{1} << 22U)) {
        buffer.resize(buffer.size() * 2);
        error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    }
    if (found == nullptr) {
        return fail(ErrorCode::publish_write, fmt::format("cannot give key.pem to the group '{}'", name),
                    error == 0 ? "there is no such group" : std::generic_category().message(error),
                    "correct 'group' of the identity");
    }
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
    const int count = getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<std::size_t>(std::max(0, count)));
    groups.push_back(getegid());
    if (std::ranges::find(groups, entry.gr_gid) == groups.end()) {
        return fail(ErrorCode::publish_write, fmt::format("cannot give key.pem to the group '{}'", name),
                    "the service is not in that group",
                    fmt::format("add '{}' to SupplementaryGroups= of the service, or correct 'group'", name));
    }
    return entry.gr_gid;
}

}  // namespace hwenroll::publish
