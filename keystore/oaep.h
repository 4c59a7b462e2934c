// What tokens that do not offer RSAES-OAEP say, each in the same words.
#pragma once

#include <string>

#include "base/error.h"
#include "keystore/token.h"

namespace hwenroll::keystore {

/// scep_algorithm: token `name` does not decrypt by `mechanism`, an OAEP one. `why` is what the token said.
Error not_offered(const std::string& name, DecryptMechanism mechanism, std::string why);

}  // namespace hwenroll::keystore
