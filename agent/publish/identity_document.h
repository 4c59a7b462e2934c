// identity.json: a generation described for programs that read no X.509.
#pragma once

#include <string>

#include "agent/publish/generation.h"

namespace hwenroll::publish {

/// Version of the document's schema; raised when a member changes its meaning or goes away.
inline constexpr int identity_document_schema = 1;

/// The JSON text with a final newline. Depends on the generation alone, so that the same generation is the same file.
std::string identity_document(const Generation& generation);

}  // namespace hwenroll::publish
