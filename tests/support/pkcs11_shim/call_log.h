// Which call it is: counted in this process, written to a file that tests read.
#pragma once

#include <array>
#include <mutex>
#include <string>

#include "tests/support/pkcs11_shim/functions.h"

namespace hwenroll::pkcs11_shim {

/// Thread-safe. The log gets one line, the function's name, for each call before it is made, so that a crash has its
/// line too.
class CallLog {
 public:
    /// `path`: file to append to; empty for none. `continued`: calls that the file already holds, from earlier
    /// processes, count too.
    CallLog(std::string path, bool continued);
    CallLog(const CallLog&) = delete;
    CallLog& operator=(const CallLog&) = delete;
    ~CallLog();

    /// Which call of its function it is, and which of all, from 1.
    struct Number {
        unsigned long of_function;
        unsigned long overall;
    };

    Number note(Function function);

 private:
    void count_earlier_calls(const std::string& path);

    std::mutex mutex_;
    std::array<unsigned long, function_count> counts_{};
    unsigned long overall_ = 0;
    int file_ = -1;
};

}  // namespace hwenroll::pkcs11_shim
