// HWENROLL_SYSTEMD=OFF: everything is text on standard error.
#include "agent/observe/journal.h"

namespace hwenroll::observe {

bool stderr_is_journal() {
    return false;
}

void send_to_journal(std::vector<std::string>) {}

}  // namespace hwenroll::observe
