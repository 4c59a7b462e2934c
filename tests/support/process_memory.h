// What a running process holds, from /proc.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <sys/types.h>
#include <vector>

namespace hwenroll::test {

/// In KiB (proc(5)).
struct ProcessMemory {
    long peak = 0;                     ///< VmHWM: the most that was resident
    long resident = 0;                 ///< VmRSS
    std::optional<long> proportional;  ///< Pss; root alone may read it of a process that is not dumpable
};

/// Nothing when the process is gone.
std::optional<ProcessMemory> memory_of(pid_t pid);

/// Open descriptors of `pid`.
std::size_t descriptors_of(pid_t pid);

/// How often the threads of `pid` have gone to sleep and come back by now (voluntary context switches).
long wakeups_of(pid_t pid);

/// When the first armed timerfd of `pid` expires, from now; nothing while none is.
std::optional<std::chrono::seconds> next_timer_of(pid_t pid);

/// Children of every thread of `pid`, now.
std::vector<pid_t> children_of(pid_t pid);

}  // namespace hwenroll::test
