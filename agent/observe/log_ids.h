// MESSAGE_ID of what the agent writes to the journal: `journalctl MESSAGE_ID=…` finds it whatever its words are. Chosen
// at random, never changed, never used for anything else.
#pragma once

#include <string_view>

namespace hwenroll::observe {

/// People are to be told (invariant 11).
inline constexpr std::string_view alert_message_id = "9f61142497534e2680951d3e02d8b599";

}  // namespace hwenroll::observe
