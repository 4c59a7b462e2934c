#include "tests/support/pkcs11_shim/call_log.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

namespace hwenroll::pkcs11_shim {

CallLog::CallLog(std::string path, bool continued) {
    if (path.empty()) {
        return;
    }
    if (continued) {
        count_earlier_calls(path);
    }
    file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

CallLog::~CallLog() {
    if (file_ >= 0) {
        close(file_);
    }
}

void CallLog::count_earlier_calls(const std::string& path) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        const auto* const found = std::find(std::begin(function_names), std::end(function_names), line);
        if (found != std::end(function_names)) {
            ++counts_.at(static_cast<std::size_t>(found - std::begin(function_names)));
            ++overall_;
        }
    }
}

CallLog::Number CallLog::note(Function function) {
    const std::lock_guard lock(mutex_);
    if (file_ >= 0) {
        const std::string line = std::string(name_of(function)) + '\n';
        if (write(file_, line.data(), line.size()) < 0) {
            // A test would count wrongly and blame the program.
            std::perror("hwenroll-pkcs11-shim: HWENROLL_SHIM_LOG");
            std::abort();
        }
    }
    return {++counts_.at(static_cast<std::size_t>(function)), ++overall_};
}

}  // namespace hwenroll::pkcs11_shim
