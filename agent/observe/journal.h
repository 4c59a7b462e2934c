// The journal of systemd, where there is one.
#pragma once

#include <string>
#include <vector>

namespace hwenroll::observe {

/// Whether standard error is a stream to the journal (systemd.exec(5), JOURNAL_STREAM), so that records may go there
/// with their fields. Never in a build without systemd.
bool stderr_is_journal();

/// Sends one record of `fields`, each NAME=value (sd_journal_sendv(3)). Thread-safe. A journal that is not there is no
/// error, as with syslog(3).
void send_to_journal(std::vector<std::string> fields);

}  // namespace hwenroll::observe
