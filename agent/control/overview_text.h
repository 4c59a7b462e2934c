// The reply to Overview as text and back without a JSON value for each row: for thousands of identities that is most of
// what it would cost.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/control/service.h"

namespace hwenroll::control {

/// The text of to_json(overview) (view_codec.h), octet for octet; what is no UTF-8 is replaced.
std::string text_of(const Overview& overview);

/// One reply to Overview.
struct OverviewReply {
    Overview overview;
    bool continues = false;
};

/// Reads a frame that is just what an agent of this version sends. Nothing for any other, be it an error, malformed or
/// of a later version: parse_reply() and overview_of() tell what that is.
std::optional<OverviewReply> read_overview_reply(std::string_view frame);

}  // namespace hwenroll::control
