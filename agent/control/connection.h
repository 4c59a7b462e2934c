// One client of the control socket: what it sent, what waits for it, and the stream that it reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/control/frame.h"
#include "agent/control/message.h"
#include "agent/control/methods.h"
#include "agent/control/peer.h"
#include "base/file_descriptor.h"

namespace hwenroll::control {

/// A call to Wait or Monitor that is still being answered.
struct Stream {
    std::optional<std::string> identity;  ///< events of this one only
    bool ends_when_settled = false;
};

/// A call that is answered page by page.
struct Paging {
    const Method* method = nullptr;
    std::string after = {};  ///< the last identity that was sent
};

/// What a client is waited for, and how far it had come then: a step further is a new deadline.
struct Patience {
    enum class For : std::uint8_t { next_call, rest_of_call, reading } what = For::next_call;
    std::uint64_t progress = 0;  ///< calls taken, or octets read
    friend bool operator==(const Patience&, const Patience&) = default;
};

/// Octets in and out, without a decision. Not thread-safe.
class Connection {
 public:
    Connection(FileDescriptor socket, Peer peer, std::size_t max_request)
        : socket_(std::move(socket)), peer_(peer), frames_(max_request) {}

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] const Peer& peer() const { return peer_; }

    /// Reads once. False when the connection has failed; at its end input_ended() is true.
    bool receive();

    /// Sends what the socket takes. False when the connection has failed.
    bool flush();

    void queue(const std::string& octets);
    [[nodiscard]] std::size_t queued() const { return output_.size() - sent_; }

    /// Octets that the socket has taken so far.
    [[nodiscard]] std::uint64_t sent() const { return total_sent_; }

    /// Octets of memory for them.
    [[nodiscard]] std::size_t held() const { return output_.size(); }

    FrameReader& frames() { return frames_; }
    [[nodiscard]] const FrameReader& frames() const { return frames_; }
    [[nodiscard]] bool input_ended() const { return input_ended_; }

    std::optional<Stream> stream;
    std::optional<Paging> paging;
    std::optional<std::uint64_t> awaited;  ///< number of the call whose reply the service has still to give
    std::optional<bool> may_change;        ///< not asked yet when empty
    std::uint64_t calls = 0;               ///< whole ones that were taken so far
    std::optional<Patience> patience;      ///< what a deadline is set for; nothing: none is
    bool closing = false;                  ///< nothing is read any more; closed once the output is sent

 private:
    FileDescriptor socket_;
    Peer peer_;
    FrameReader frames_;
    std::string output_;
    std::size_t sent_ = 0;  ///< of output_
    std::uint64_t total_sent_ = 0;
    bool input_ended_ = false;
};

}  // namespace hwenroll::control
