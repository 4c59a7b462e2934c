#include "agent/observe/progress.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::observe {
namespace {

constexpr const char* erase_line = "\r\033[K";

}  // namespace

bool Progress::wanted() {
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

void Progress::begin(std::string text) {
    text_ = std::move(text);
    ticks_ = 0;
    paint();
}

void Progress::tick() {
    if (!text_.empty()) {
        ++ticks_;
        paint();
    }
}

void Progress::clear() {
    if (visible_ && !text_.empty()) {
        std::fputs(erase_line, stderr);
        std::fflush(stderr);
    }
    text_.clear();
}

std::string Progress::line() const {
    if (text_.empty()) {
        return {};
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(ticks_ * interval).count();
    return seconds == 0 ? text_ + " …" : fmt::format("{} … {:02}:{:02}", text_, seconds / 60, seconds % 60);
}

void Progress::paint() {
    if (visible_) {
        std::fputs((erase_line + line()).c_str(), stderr);
        std::fflush(stderr);
    }
}

}  // namespace hwenroll::observe
