// What the memory of a running process holds.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::test {

/// A place where a value was found.
struct Finding {
    std::size_t value = 0;  ///< which one
    std::string mapping;    ///< its line of /proc/PID/maps
    bool in_core = true;    ///< false under MADV_DONTDUMP: a core file would lack it
};

/// Looks for `values` in every readable mapping of `pid` (proc(5), mem): all that a core file would hold, what
/// MADV_DONTDUMP keeps out of one, and all that is mapped of files. Of a process that is not dumpable root alone may
/// look. One finding for each mapping and value at most. Throws std::runtime_error when nothing can be read.
std::vector<Finding> find_in_memory(pid_t pid, const std::vector<Bytes>& values);

/// How a big-endian number may stand in memory, in pieces of 32 octets, each of which gives it away: as it is,
/// backwards (a BIGNUM's limbs on a little-endian machine), and with its words of 8 octets turned round, or their
/// order.
std::vector<Bytes> arrangements_of(ByteView number);

}  // namespace hwenroll::test
