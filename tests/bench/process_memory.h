// What a running process holds in memory, from /proc.
#pragma once

#include <optional>
#include <sys/types.h>
#include <vector>

namespace hwenroll::bench {

/// In KiB (proc(5)).
struct ProcessMemory {
    long peak = 0;                     ///< VmHWM: the most that was resident
    long resident = 0;                 ///< VmRSS
    std::optional<long> proportional;  ///< Pss; root alone may read it of a process that is not dumpable
};

/// Nothing when the process is gone.
std::optional<ProcessMemory> memory_of(pid_t pid);

/// Children of every thread of `pid`, now.
std::vector<pid_t> children_of(pid_t pid);

}  // namespace hwenroll::bench
