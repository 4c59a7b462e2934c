// Text that leaves the machine: what may be a secret is taken out of it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace hwenroll::cli {

/// `text` without the values of `pin-value` (RFC 7512) and of its percent-encoded name, without user and password in
/// URLs, without the transactionID of `fixed:…`, and without PEM blocks, certificates included: each is replaced by a
/// mark that says so. Line ends stay, other control characters are made visible.
std::string scrubbed(std::string_view text);

}  // namespace hwenroll::cli
