#include "tests/agent/publish/storage_fault.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
#include <utility>

namespace hwenroll::publish {
namespace {

StorageFault& fault() {
    static StorageFault current;
    return current;
}

/// Counts a call; true when it is to fail, with errno set.
bool strikes(const char* call) {
    StorageFault& current = fault();
    const int count = ++current.calls[call];
    if (current.kind == FaultKind::none || current.call != call || (current.at != 0 && current.at != count)) {
        return false;
    }
    if (current.kind == FaultKind::crash) {
        _exit(crash_exit_code);
    }
    if (current.kind != FaultKind::error) {
        return false;
    }
    errno = current.error;
    return true;
}

}  // namespace

void arm(const StorageFault& chosen) {
    fault() = chosen;
    fault().calls.clear();
}

std::map<std::string, int> disarm() {
    return std::exchange(fault(), {}).calls;
}

}  // namespace hwenroll::publish

// The names are the linker's: --wrap=X turns calls of X into __wrap_X and makes X reachable as __real_X.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl50-cpp)
using hwenroll::publish::FaultKind;
using hwenroll::publish::strikes;

extern "C" {
ssize_t __real_write(int fd, const void* data, size_t size);
int __real_fchmod(int fd, mode_t mode);
int __real_mkdirat(int directory, const char* name, mode_t mode);
int __real_renameat(int from_directory, const char* from, int to_directory, const char* to);
int __real_renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags);
int __real_symlinkat(const char* target, int directory, const char* name);
int __real_unlinkat(int directory, const char* name, int flags);
long __real_syscall(long number, ...);

ssize_t __wrap_write(int fd, const void* data, size_t size) {
    if (strikes("write")) {
        return -1;
    }
    const auto& current = hwenroll::publish::fault();
    if (current.kind == FaultKind::partial && current.call == "write") {
        if (current.calls.at("write") % 2 == 1) {
            errno = EINTR;
            return -1;
        }
        return __real_write(fd, data, std::min<size_t>(size, 1));
    }
    return __real_write(fd, data, size);
}

// The order of the calls is what is tested; the power stays on, so nothing has to reach the disk.
int __wrap_fsync(int /*fd*/) {
    return strikes("fsync") ? -1 : 0;
}

int __wrap_fchmod(int fd, mode_t mode) {
    return strikes("fchmod") ? -1 : __real_fchmod(fd, mode);
}

int __wrap_mkdirat(int directory, const char* name, mode_t mode) {
    return strikes("mkdirat") ? -1 : __real_mkdirat(directory, name, mode);
}

int __wrap_renameat(int from_directory, const char* from, int to_directory, const char* to) {
    return strikes("renameat") ? -1 : __real_renameat(from_directory, from, to_directory, to);
}

int __wrap_renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
    return strikes("renameat2") ? -1 : __real_renameat2(from_directory, from, to_directory, to, flags);
}

int __wrap_symlinkat(const char* target, int directory, const char* name) {
    return strikes("symlinkat") ? -1 : __real_symlinkat(target, directory, name);
}

int __wrap_unlinkat(int directory, const char* name, int flags) {
    return strikes("unlinkat") ? -1 : __real_unlinkat(directory, name, flags);
}

long __wrap_syscall(long number, ...) {
    va_list arguments;
    va_start(arguments, number);
    const long first = va_arg(arguments, long);
    const long second = va_arg(arguments, long);
    const long third = va_arg(arguments, long);
    const long fourth = va_arg(arguments, long);
    const long fifth = va_arg(arguments, long);
    const long sixth = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_openat2 && strikes("openat2")) {
        return -1;
    }
    return __real_syscall(number, first, second, third, fourth, fifth, sixth);
}
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl50-cpp)
