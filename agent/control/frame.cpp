#include "agent/control/frame.h"

#include <fmt/format.h>

namespace hwenroll::control {

void FrameReader::append(std::string_view octets) {
    octets_.erase(0, begin_);
    begin_ = 0;
    const std::size_t seen = octets_.size();
    octets_ += octets;
    // What was there before holds no end, unless end_ says so.
    end_ = end_ == std::string::npos ? octets_.find('\0', seen) : octets_.find('\0');
}

bool FrameReader::ready() const {
    return end_ != std::string::npos || octets_.size() - begin_ > limit_;
}

Result<std::optional<std::string>> FrameReader::next() {
    if ((end_ == std::string::npos ? octets_.size() : end_) - begin_ > limit_) {
        return fail(ErrorCode::control_protocol, fmt::format("a message is larger than {} octets", limit_));
    }
    if (end_ == std::string::npos) {
        return std::optional<std::string>();
    }
    std::optional<std::string> frame = octets_.substr(begin_, end_ - begin_);
    begin_ = end_ + 1;
    end_ = octets_.find('\0', begin_);
    return frame;
}

}  // namespace hwenroll::control
