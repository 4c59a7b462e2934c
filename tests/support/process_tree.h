// Which processes a process has started.
#pragma once

#include <sys/types.h>
#include <vector>

namespace hwenroll::test {

/// Those that any thread of `parent` started and that run still.
std::vector<pid_t> children_of(pid_t parent);

}  // namespace hwenroll::test
