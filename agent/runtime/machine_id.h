// The id of this machine that hwenroll alone knows it by.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace hwenroll::runtime {

/// The application-specific id of machine-id(5): an HMAC, so that the machine's id itself stays where it is
/// (sd_id128_get_machine_app_specific(3), whose result this is to the octet). Of `text`, the content of
/// /etc/machine-id: 32 hexadecimal digits and a line end. Empty if that is no such id.
Bytes application_id(std::string_view text);

/// The same of this machine; empty if it has none.
Bytes application_id_of_this_machine();

}  // namespace hwenroll::runtime
