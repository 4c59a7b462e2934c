// Text that leaves the machine: what may be a secret is taken out of it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::cli {

/// `text` without the values of `pin-value` (RFC 7512) and of its percent-encoded name, without user and password in
/// URLs, without the transactionID of `fixed:…`, and without PEM blocks, certificates included, also where lines of a
/// journal stand before and between theirs, where the beginning or the end is missing, and where the last line comes
/// first: each is replaced by a mark that says so. Every line ends with a line end; other control characters are made
/// visible.
std::string scrubbed(std::string_view text);

/// A part of a report, scrubbed on its own: a block that is cut off in one takes nothing of the next.
struct ReportSection {
    std::string name;
    std::string content;
};

/// All of them under their names.
std::string scrubbed(const std::vector<ReportSection>& sections);

}  // namespace hwenroll::cli
