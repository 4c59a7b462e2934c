// A listening SOCK_SEQPACKET socket on a test's loop, as systemd has one for hwenroll-hook.
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "agent/runtime/event_loop.h"
#include "base/file_descriptor.h"

namespace hwenroll::test {

inline sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(path.native().size(), sizeof address.sun_path);
    std::memcpy(&address.sun_path[0], path.c_str(), path.native().size() + 1);
    return address;
}

inline FileDescriptor packet_socket() {
    return FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Calls `accepted` with each connection.
class PacketServer {
 public:
    PacketServer(runtime::EventLoop& loop, const std::filesystem::path& path,
                 std::function<void(FileDescriptor)> accepted)
        : listener_(packet_socket()) {
        const sockaddr_un address = address_of(path);
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_.get(), 8), 0);
        watch_ = loop.watch_fd(listener_.get(), EPOLLIN, [this, accepted = std::move(accepted)](std::uint32_t) {
            accepted(FileDescriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
        });
    }

 private:
    FileDescriptor listener_;
    runtime::Watch watch_;
};

/// A raw client, which says what it likes.
class PacketClient {
 public:
    explicit PacketClient(const std::filesystem::path& path) : socket_(packet_socket()) {
        const sockaddr_un address = address_of(path);
        EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }

    void send(std::string_view packet) const {
        EXPECT_EQ(::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(packet.size()));
    }

    /// The next packet; empty when there is none.
    [[nodiscard]] std::string receive() const {
        std::string packet(8192, '\0');
        const ssize_t size = ::recv(socket_.get(), packet.data(), packet.size(), 0);
        packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return packet;
    }

    void close() { socket_.reset(); }

 private:
    FileDescriptor socket_;
};

}  // namespace hwenroll::test
