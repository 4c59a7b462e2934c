#include "base/failpoint.h"

#ifdef HWENROLL_FAILPOINTS
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace hwenroll {
namespace {

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

/// Where this process is to be killed, settled when it passes its first place.
class Plan {
 public:
    Plan() : spent_(variable("HWENROLL_FAILPOINT_SPENT")), log_(variable("HWENROLL_FAILPOINT_LOG")) {
        std::string places = variable("HWENROLL_FAILPOINT");
        for (int place = 0; !spent_.empty() && ::access(mark(place).c_str(), F_OK) == 0; ++place) {
            const std::size_t comma = places.find(',');
            places.erase(0, comma == std::string::npos ? comma : comma + 1);
            place_ = place + 1;
        }
        name_ = places.substr(0, places.find(','));
        if (const std::size_t colon = name_.find(':'); colon != std::string::npos) {
            std::from_chars(name_.data() + colon + 1, name_.data() + name_.size(), wanted_);
            name_.resize(colon);
        }
        if (const std::size_t at = name_.find('@'); at != std::string::npos) {
            name_ = name_.substr(at + 1) == program_invocation_short_name ? name_.substr(0, at) : std::string();
        }
    }

    void pass(std::string_view name) {
        if (!log_.empty()) {
            note(name);
        }
        if (name_.empty() || (name_ != "*" && name_ != name) || ++passed_ < wanted_) {
            return;
        }
        if (spent_.empty() || ::open(mark(place_).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) >= 0) {
            ::kill(::getpid(), SIGKILL);
        }
    }

 private:
    [[nodiscard]] std::string mark(int place) const { return spent_ + "." + std::to_string(place); }

    void note(std::string_view name) const {
        const int file = ::open(log_.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
        const std::string line = std::string(name) + "\n";
        static_cast<void>(::write(file, line.data(), line.size()) == 0);  // a test that misses the line fails
        ::close(file);
    }

    std::string spent_;
    std::string log_;
    std::string name_;
    int wanted_ = 1;
    int place_ = 0;
    std::atomic<int> passed_ = 0;
};

}  // namespace

void failpoint(FailpointName name) {
    static Plan plan;
    plan.pass(name.text());
}

}  // namespace hwenroll
#endif
