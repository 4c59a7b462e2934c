#include "agent/runtime/test_clock.h"

#ifdef HWENROLL_FAILPOINTS
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace hwenroll::runtime {
namespace {

Result<ScaledTime> read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::input_file, "cannot read the test clock '" + file.string() + "'", std::strerror(errno),
                    "write the file that HWENROLL_CLOCK_FILE names, or unset it");
    }
    return ScaledTime::from_text(std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace

Result<std::unique_ptr<TestClock>> TestClock::open(std::filesystem::path file) {
    const auto time = read(file);
    if (!time) {
        return fail(Error(time.error()).about(file.string()));
    }
    return std::unique_ptr<TestClock>(new TestClock(std::move(file), *time));
}

TimePoint TestClock::now() const {
    const auto time = read(file_);
    const std::lock_guard lock(mutex_);
    if (time) {
        last_ = *time;
    }
    return last_.at(std::chrono::steady_clock::now().time_since_epoch());  // CLOCK_MONOTONIC
}

}  // namespace hwenroll::runtime
#endif
