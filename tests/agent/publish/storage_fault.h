// Makes file operations of this program fail, by the linker's --wrap. Test programs only.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace hwenroll::publish {

/// What happens at the chosen call.
enum class FaultKind : std::uint8_t {
    none,
    error,    ///< it fails with the chosen errno and does nothing
    crash,    ///< the process ends just before it
    partial,  ///< write() only: at first EINTR, then one octet at a time; never ends
};

/// The fault of this process. One thread.
struct StorageFault {
    std::string call;  ///< `write`, `fsync`, `renameat`, …
    int at = 0;        ///< counted from 1
    FaultKind kind = FaultKind::none;
    int error = 0;
    std::map<std::string, int> calls;  ///< how often each was called since arm()
};

/// Exit code of a process that FaultKind::crash ended.
inline constexpr int crash_exit_code = 137;

/// Chooses the next fault and counts from nothing.
void arm(const StorageFault& fault);

/// No fault any more; what was called since arm().
std::map<std::string, int> disarm();

}  // namespace hwenroll::publish
