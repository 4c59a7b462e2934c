// A body as it came over HTTP, before anything in it is read.
#pragma once

#include "base/result.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Tells what answered in a CA's place from what may be a CMS message (HTTP-22). Errors: ca_too_big, ca_not_scep
/// (empty, HTML, text).
Status check_message_body(ByteView body, const ParseLimits& limits);

}  // namespace hwenroll::scep
