#include "tests/support/clock_file.h"

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

ClockFile::ClockFile(std::filesystem::path path, TimePoint now, std::int64_t rate) : path_(std::move(path)) {
    write(now, rate);
}

TimePoint ClockFile::now() const {
    return time_.at(std::chrono::steady_clock::now().time_since_epoch());
}

void ClockFile::write(TimePoint now, std::int64_t rate) {
    time_ = {std::chrono::steady_clock::now().time_since_epoch(), now, rate};
    const std::filesystem::path unfinished = path_.string() + ".new";
    write_file(unfinished, time_.text());
    std::filesystem::rename(unfinished, path_);
}

}  // namespace hwenroll::test
