#include "tests/lab_ca/shared_clock.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace hwenroll::lab_ca {
namespace {

Result<ScaledTime> read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::input_file, fmt::format("cannot read the clock '{}'", file.string()),
                    std::strerror(errno));
    }
    return ScaledTime::from_text(std::string(std::istreambuf_iterator<char>(in), {}));
}

class SharedClock final : public Clock {
 public:
    SharedClock(std::filesystem::path file, const ScaledTime& time) : file_(std::move(file)), last_(time) {}

    [[nodiscard]] TimePoint now() const override {
        if (const auto time = read(file_); time) {
            last_ = *time;
        }
        return last_.at(std::chrono::steady_clock::now().time_since_epoch());  // CLOCK_MONOTONIC
    }

 private:
    std::filesystem::path file_;
    mutable ScaledTime last_;
};

class SystemClock final : public Clock {
 public:
    [[nodiscard]] TimePoint now() const override {
        return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
    }
};

}  // namespace

Result<std::unique_ptr<Clock>> open_shared_clock(const std::filesystem::path& file) {
    const auto time = read(file);
    if (!time) {
        return fail(Error(time.error()).about(file.string()));
    }
    return std::make_unique<SharedClock>(file, *time);
}

std::unique_ptr<Clock> system_clock() {
    return std::make_unique<SystemClock>();
}

}  // namespace hwenroll::lab_ca
