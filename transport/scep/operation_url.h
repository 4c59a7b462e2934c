// Request URLs (HTTP-1…6, HTTP-11).
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// `base` with `operation=` appended by ? or & (HTTP-4); `identifier`, when not empty, as percent-encoded `message=` of
/// the three GET-only operations (HTTP-6). For PKIOperation by POST pass an empty `identifier`.
std::string operation_url(std::string_view base, Operation operation, std::string_view identifier);

/// PKIOperation by GET: standard base64 of `message`, then percent-encoding (HTTP-11).
std::string pki_operation_get_url(std::string_view base, ByteView message);

/// Content-Type of a PKIOperation by POST (CT-4).
inline constexpr std::string_view pki_message_content_type = "application/x-pki-message";

}  // namespace hwenroll::scep
