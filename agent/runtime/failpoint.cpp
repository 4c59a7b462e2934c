#include "agent/runtime/failpoint.h"

#ifdef HWENROLL_FAILPOINTS
#include <csignal>
#include <cstdlib>
#include <unistd.h>

namespace hwenroll::runtime {

void failpoint(std::string_view name) {
    static const char* const wanted = std::getenv("HWENROLL_FAILPOINT");
    if (wanted != nullptr && name == wanted) {
        ::kill(::getpid(), SIGKILL);
    }
}

}  // namespace hwenroll::runtime
#endif
