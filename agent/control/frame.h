// Varlink's framing: each message is a JSON object in UTF-8 and ends with a NUL octet.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hwenroll::control {

/// Cuts a stream of octets into frames of at most `limit` octets each. Holds what it was given until it is taken: who
/// reads only while next() has nothing is bounded by `limit` and one read.
class FrameReader {
 public:
    explicit FrameReader(std::size_t limit) : limit_(limit) {}

    /// Adds what was read.
    void append(std::string_view octets);

    /// The next whole frame, without its NUL; nothing while it is incomplete. Error code: control_protocol, for a frame
    /// that is, or is going to be, larger than the limit; and from then on.
    Result<std::optional<std::string>> next();

    /// next() has an answer without another append().
    [[nodiscard]] bool ready() const;

    /// A frame has begun and is not whole yet.
    [[nodiscard]] bool incomplete() const { return begin_ < octets_.size() && !ready(); }

 private:
    std::size_t limit_;
    std::string octets_;
    std::size_t begin_ = 0;                ///< of the next frame
    std::size_t end_ = std::string::npos;  ///< of the next frame, if it is whole
};

}  // namespace hwenroll::control
