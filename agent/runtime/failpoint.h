// Named places at which a test kills the process. Compiled out unless HWENROLL_FAILPOINTS is on.
#pragma once

#include <string_view>

namespace hwenroll::runtime {

/// The points, in the order in which a first enrollment passes them.
inline constexpr std::string_view failpoint_names[] = {
    "key-id-committed", "key-generated",   "key-committed",        "request-committed",
    "reply-received",   "issue-committed", "generation-published", "publish-committed",
};

/// A refusal is committed and the CA has not been asked again yet (FI-1).
inline constexpr std::string_view refusal_failpoint = "refusal-committed";

#ifdef HWENROLL_FAILPOINTS
/// SIGKILLs the process when the environment's HWENROLL_FAILPOINT is `name`.
void failpoint(std::string_view name);
#else
inline void failpoint(std::string_view /*name*/) {}
#endif

}  // namespace hwenroll::runtime
