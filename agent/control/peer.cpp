#include "agent/control/peer.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace hwenroll::control {
namespace {

struct User {
    std::string name;
    gid_t group = 0;
};

/// Nothing for a uid that the user database does not know.
std::optional<User> user_of(uid_t uid) {
    std::vector<char> buffer(16'384);
    passwd entry{};
    passwd* found = nullptr;
    int error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    while (error == ERANGE && buffer.size() < (std::size_t{1} << 22U)) {
        buffer.resize(buffer.size() * 2);
        error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    }
    return found == nullptr ? std::nullopt : std::optional(User{entry.pw_name, entry.pw_gid});
}

}  // namespace

Result<Peer> KernelPeers::peer(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return fail(ErrorCode::internal, "cannot tell who is connected to the control socket",
                    std::generic_category().message(errno));
    }
    return Peer{credentials.uid, credentials.gid, credentials.pid};
}

bool KernelPeers::is_member(const Peer& peer, gid_t group) {
    const auto user = user_of(peer.uid);
    if (!user) {
        return false;
    }
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    while (getgrouplist(user->name.c_str(), user->group, groups.data(), &count) < 0) {
        if (groups.size() >= 65'536) {  // NGROUPS_MAX
            return false;
        }
        groups.resize(std::max(groups.size() * 2, static_cast<std::size_t>(std::max(count, 0))));
        count = static_cast<int>(groups.size());
    }
    groups.resize(static_cast<std::size_t>(count));
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string KernelPeers::program(const Peer& peer) {
    std::error_code hidden;
    const auto path = std::filesystem::read_symlink("/proc/" + std::to_string(peer.pid) + "/exe", hidden);
    return hidden ? std::string() : path.string();
}

}  // namespace hwenroll::control
