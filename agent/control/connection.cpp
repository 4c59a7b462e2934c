#include "agent/control/connection.h"

#include <array>
#include <cerrno>
#include <malloc.h>
#include <sys/socket.h>
#include <utility>

namespace hwenroll::control {
namespace {

constexpr std::size_t large_output = 1U << 20U;

bool would_block(int number) {
    return number == EAGAIN || number == EINTR;
}

}  // namespace

bool Connection::receive() {
    std::array<char, 16'384> buffer{};
    const ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) {
        return would_block(errno);
    }
    input_ended_ = size == 0;
    frames_.append({buffer.data(), static_cast<std::size_t>(size)});
    return true;
}

void Connection::queue(const std::string& octets) {
    // What is sent is forgotten also when the client never catches up.
    if (sent_ > output_.size() / 2) {
        output_.erase(0, std::exchange(sent_, 0));
    }
    output_ += octets;
}

bool Connection::flush() {
    while (queued() > 0) {
        const ssize_t size = ::send(fd(), output_.data() + sent_, queued(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) {
            return would_block(errno);
        }
        sent_ += static_cast<std::size_t>(size);
        total_sent_ += static_cast<std::uint64_t>(size);
    }
    if (output_.capacity() > large_output) {
        // What all of ten thousand identities took in one reply is needed once in a while only; libc keeps it
        // otherwise.
        std::string().swap(output_);
        ::malloc_trim(0);
    }
    output_.clear();
    sent_ = 0;
    return true;
}

}  // namespace hwenroll::control
