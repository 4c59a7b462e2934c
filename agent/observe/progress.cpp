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

std::string minutes_and_seconds(std::chrono::seconds time) {
    return fmt::format("{:02}:{:02}", time.count() / 60, time.count() % 60);
}

}  // namespace

bool Progress::wanted() {
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

void Progress::begin(std::string text, std::optional<std::chrono::seconds> usual) {
    text_ = std::move(text);
    usual_ = usual;
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
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(ticks_ * interval);
    std::string line = text_ + " …";
    if (age.count() > 0) {
        line += ' ' + minutes_and_seconds(age);
    }
    if (usual_) {
        line += fmt::format(" (it took {} before)", minutes_and_seconds(*usual_));
    }
    return line;
}

void Progress::paint() {
    if (visible_) {
        std::fputs((erase_line + line()).c_str(), stderr);
        std::fflush(stderr);
    }
}

}  // namespace hwenroll::observe
