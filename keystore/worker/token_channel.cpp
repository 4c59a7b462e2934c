#include "keystore/worker/token_channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

#include "keystore/worker/octet_stream.h"
#include "keystore/worker/token_protocol.h"

namespace hwenroll::keystore {
namespace {

constexpr std::size_t head_size = 8;
constexpr std::size_t chunk_size = std::size_t{32} * 1024;

/// One packet, wiped when its scope ends.
struct Packet {
    std::array<std::uint8_t, head_size + chunk_size> octets{};
    std::size_t size = 0;
    Packet() = default;
    Packet(const Packet&) = delete;
    Packet& operator=(const Packet&) = delete;
    ~Packet() { wipe(std::span(octets).first(std::max(size, head_size))); }
};

/// Waits until the socket can be used for `events`.
Transfer await(int socket, short events, Deadline deadline) {
    for (;;) {
        pollfd ready{socket, events, 0};
        const int found = poll(&ready, 1, poll_timeout(deadline));
        if (found > 0) {
            return Transfer::done;
        }
        if (found == 0 && poll_timeout(deadline) == 0) {
            return Transfer::timed_out;
        }
        if (found < 0 && errno != EINTR) {
            return Transfer::closed;
        }
    }
}

bool try_again(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

Transfer send_packet(int socket, ByteView head, ByteView chunk, Deadline deadline) {
    // sendmsg has no const in its interface, and does not write to what it sends.
    std::array<iovec, 2> parts{{{const_cast<std::uint8_t*>(head.data()), head.size()},
                                {const_cast<std::uint8_t*>(chunk.data()), chunk.size()}}};
    msghdr packet{};
    packet.msg_iov = parts.data();
    packet.msg_iovlen = parts.size();
    for (;;) {
        if (sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return Transfer::done;
        }
        if (!try_again(errno)) {
            return errno == EMSGSIZE ? Transfer::malformed : Transfer::closed;
        }
        if (const Transfer writable = await(socket, POLLOUT, deadline); writable != Transfer::done) {
            return writable;
        }
    }
}

Transfer receive_packet(int socket, Packet& into, Deadline deadline) {
    iovec part{into.octets.data(), into.octets.size()};
    for (;;) {
        // Wait first: a request and its answer are hardly ever there when they are asked for.
        if (const Transfer readable = await(socket, POLLIN, deadline); readable != Transfer::done) {
            return readable;
        }
        msghdr packet{};
        packet.msg_iov = &part;
        packet.msg_iovlen = 1;
        const ssize_t got = recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got > 0) {
            into.size = static_cast<std::size_t>(got);
            return (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 ? Transfer::done : Transfer::malformed;
        }
        if (got == 0 || !try_again(errno)) {
            return Transfer::closed;
        }
    }
}

}  // namespace

Transfer send_message(int socket, ByteView message, Deadline deadline) {
    if (message.empty() || message.size() > max_message_size) {
        return Transfer::malformed;
    }
    for (std::size_t offset = 0; offset < message.size(); offset += chunk_size) {
        OctetWriter head(head_size);
        head.u32(static_cast<std::uint32_t>(message.size()));
        head.u32(static_cast<std::uint32_t>(offset));
        const ByteView chunk = message.subspan(offset, std::min(chunk_size, message.size() - offset));
        if (const Transfer sent = send_packet(socket, head.take().reveal(), chunk, deadline); sent != Transfer::done) {
            return sent;
        }
    }
    return Transfer::done;
}

Received receive_message(int socket, Deadline deadline) {
    Bytes message;
    std::size_t total = 0;
    Packet packet;
    do {
        if (const Transfer got = receive_packet(socket, packet, deadline); got != Transfer::done) {
            wipe(message);
            return {got, {}};
        }
        OctetReader head(ByteView(packet.octets).first(std::min(packet.size, head_size)));
        const std::size_t size = head.u32();
        const std::size_t offset = head.u32();
        const ByteView chunk = ByteView(packet.octets).first(packet.size).subspan(std::min(packet.size, head_size));
        const bool first = message.empty();
        if (head.failed() || chunk.empty() || size > max_message_size || (!first && size != total) ||
            offset != message.size() || chunk.size() > size - offset) {
            wipe(message);
            return {Transfer::malformed, {}};
        }
        if (first) {
            total = size;
            message.reserve(total);
        }
        message.insert(message.end(), chunk.begin(), chunk.end());
    } while (message.size() < total);
    return {Transfer::done, Secret(std::move(message))};
}

}  // namespace hwenroll::keystore
