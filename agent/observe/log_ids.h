// MESSAGE_ID of what the agent writes to the journal: `journalctl MESSAGE_ID=…` finds it whatever its words are. Chosen
// at random, never changed, never used for anything else. Every alert, of whichever of them, has HWENROLL_ALERT=1.
#pragma once

#include <string_view>

namespace hwenroll::observe {

/// People are to be told (invariant 11) of something that has no identifier of its own below: a part of the
/// configuration that is disabled, files that somebody else has changed, a revoked certificate, a CA.
inline constexpr std::string_view alert_message_id = "9f61142497534e2680951d3e02d8b599";

/// Another certificate than before is published: the first one, a renewed one, the successor's, an adopted one.
inline constexpr std::string_view renewed_message_id = "18f578d42440bf6d76c1883e99d4b1ec";

/// A step of an enrollment or a renewal has failed; it is tried again at HWENROLL_NEXT.
inline constexpr std::string_view failed_message_id = "8c1a98c4ec9c080133342f597740fd37";

/// A certificate is past its renewal point, or its end, without success (an alert).
inline constexpr std::string_view overdue_message_id = "986238ddebc1b3804bda7d7beda37f98";

/// An identity is held: it asks once a day at most until something changes or an operator resumes it (an alert).
inline constexpr std::string_view held_message_id = "bff3dd5e35b5056a3c3667a304d8ac9f";

/// A CA's successor is known, or has taken its place.
inline constexpr std::string_view rollover_message_id = "061704d3e9124a73bafc0ab41d485c7f";

/// A token refused a PIN, has locked it, has few tries left, or the PIN cannot be read. No value is tried twice.
inline constexpr std::string_view pin_message_id = "38e5794d997844df3552c5a00115de14";

/// The hooks have exited with 0 and the check of `verify` has agreed: consumers use the published generation.
inline constexpr std::string_view deployed_message_id = "9b94c9cc2ad3f4b7ea97a11ad2d74dcc";

/// A hook or the check of `verify` has failed; both are tried again at HWENROLL_NEXT.
inline constexpr std::string_view deployment_failed_message_id = "8fac22e49f57adf8931744be2db4e23b";

/// Somebody asked the agent, through its control socket, to change something: HWENROLL_UID, _PID, _EXE, _METHOD and
/// _OUTCOME say who, what, and what came of it. Refusals are recorded too.
inline constexpr std::string_view audit_message_id = "7512e4b2289d4357c6ab24d746969240";

}  // namespace hwenroll::observe
