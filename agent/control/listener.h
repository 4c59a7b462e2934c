// The control socket's place in the file system.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace hwenroll::control {

/// `<runtime_dir>/control`.
std::filesystem::path socket_path(const std::filesystem::path& runtime_dir);

/// The listening socket; its name goes with it.
class Listener {
 public:
    /// Listens on socket_path(runtime_dir). The directory must exist and not be writable for everybody. The socket
    /// appears in one step with its mode: 0660 and the group `admin_group` if there is such a group and this process
    /// may give files to it, else 0600. A socket that nobody listens on any more is replaced. The socket does not
    /// block. Error code: control_socket, also when another process listens there.
    static Result<Listener> make(const std::filesystem::path& runtime_dir, const std::string& admin_group);

    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    [[nodiscard]] int fd() const { return socket_.get(); }

    /// The number of `admin_group`; nothing when there is no such group.
    [[nodiscard]] std::optional<gid_t> group() const { return group_; }

    /// Why the socket is for root and the agent's user only; empty when the group has it.
    [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
    Listener(FileDescriptor socket, std::filesystem::path path) : socket_(std::move(socket)), path_(std::move(path)) {}
    Status settle(const std::string& admin_group);

    FileDescriptor socket_;
    std::filesystem::path path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;  ///< 0: the socket has not got its name
    std::optional<gid_t> group_;
    std::string warning_;
};

}  // namespace hwenroll::control
