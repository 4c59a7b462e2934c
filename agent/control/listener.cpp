#include "agent/control/listener.h"

#include <cerrno>
#include <cstring>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace hwenroll::control {
namespace {

constexpr int backlog = 64;

tl::unexpected<Error> refused(const std::filesystem::path& path, std::string why, std::string next = {}) {
    return fail(ErrorCode::control_socket, "cannot listen on " + path.string(), std::move(why), std::move(next));
}

std::string errno_text(int number) {
    return std::generic_category().message(number);
}

/// unix(7): a name has less than 108 octets.
std::optional<sockaddr_un> address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.string().size() >= sizeof address.sun_path) {
        return std::nullopt;
    }
    std::memcpy(address.sun_path, path.c_str(), path.string().size());
    return address;
}

Status check_directory(const std::filesystem::path& directory, const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0) {
        return refused(path, errno_text(errno), "make the directory 'runtime_dir' for the agent's user");
    }
    if (!S_ISDIR(info.st_mode)) {
        return refused(path, "'runtime_dir' is no directory");
    }
    if ((info.st_mode & S_IWOTH) != 0) {
        return refused(path, "everybody may write to 'runtime_dir'", "take that away with chmod o-w");
    }
    return {};
}

/// Nothing, or a socket that nobody listens on.
Status check_vacant(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        return errno == ENOENT ? Status() : refused(path, errno_text(errno));
    }
    if (!S_ISSOCK(info.st_mode)) {
        return refused(path, "something that is no socket has that name", "remove it");
    }
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.valid()) {
        return refused(path, errno_text(errno));
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN) {
        return refused(path, "another process listens there", "stop it, or give this agent another 'runtime_dir'");
    }
    return errno == ECONNREFUSED || errno == ENOENT ? Status() : refused(path, errno_text(errno));
}

std::optional<gid_t> group_number(const std::string& name) {
    std::vector<char> buffer(16'384);
    group entry{};
    group* found = nullptr;
    int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    while (error == ERANGE && buffer.size() < (std::size_t{1} << 22U)) {
        buffer.resize(buffer.size() * 2);
        error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    }
    return found == nullptr ? std::nullopt : std::optional(entry.gr_gid);
}

}  // namespace

std::filesystem::path socket_path(const std::filesystem::path& runtime_dir) {
    return runtime_dir / "control";
}

Result<Listener> Listener::make(const std::filesystem::path& runtime_dir, const std::string& admin_group) {
    const std::filesystem::path path = socket_path(runtime_dir);
    // The socket gets its mode under another name, so that nobody finds it under its own with a wider one; rename(2)
    // also takes the place of a stale one without a moment in between.
    const std::filesystem::path unfinished = path.string() + ".new";
    const auto address = address_of(path);
    const auto unfinished_address = address_of(unfinished);
    if (!address || !unfinished_address) {
        return refused(path, "the path is longer than a socket's may be", "choose a shorter 'runtime_dir'");
    }
    if (const Status good = check_directory(runtime_dir, path); !good) {
        return fail(good.error());
    }
    if (const Status vacant = check_vacant(path, *address); !vacant) {
        return fail(vacant.error());
    }
    Listener listener(FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), unfinished);
    static_cast<void>(::unlink(unfinished.c_str()));  // left by a process that was killed here
    const int fd = listener.fd();
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&*unfinished_address), sizeof(sockaddr_un)) != 0) {
        return refused(path, errno_text(errno));
    }
    if (const Status settled = listener.settle(admin_group); !settled) {
        return fail(settled.error());
    }
    if (::listen(fd, backlog) != 0 || ::rename(unfinished.c_str(), path.c_str()) != 0) {
        return refused(path, errno_text(errno));
    }
    listener.path_ = path;
    return listener;
}

Status Listener::settle(const std::string& admin_group) {
    struct stat info {};
    if (::lstat(path_.c_str(), &info) != 0) {
        return refused(path_, errno_text(errno));
    }
    device_ = info.st_dev;
    inode_ = info.st_ino;
    group_ = group_number(admin_group);
    mode_t mode = 0600;
    if (!group_) {
        warning_ = fmt::format("there is no group '{}' ('admin_group')", admin_group);
    } else if (::chown(path_.c_str(), static_cast<uid_t>(-1), *group_) != 0) {
        warning_ = fmt::format("cannot give the control socket to the group '{}': {}", admin_group, errno_text(errno));
    } else {
        mode = 0660;
    }
    return ::chmod(path_.c_str(), mode) == 0 ? Status() : refused(path_, errno_text(errno));
}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::move(other.socket_)),
      path_(std::move(other.path_)),
      device_(other.device_),
      inode_(std::exchange(other.inode_, 0)),
      group_(other.group_),
      warning_(std::move(other.warning_)) {}

Listener::~Listener() {
    struct stat info {};
    // The name may be another process's by now.
    if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) {
        static_cast<void>(::unlink(path_.c_str()));
    }
}

}  // namespace hwenroll::control
