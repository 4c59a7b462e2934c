#include "keystore/oaep.h"

#include <utility>

#include <fmt/format.h>

namespace hwenroll::keystore {

Error not_offered(const std::string& name, DecryptMechanism mechanism, std::string why) {
    const char* const hash = mechanism == DecryptMechanism::rsa_oaep_sha1 ? "SHA-1" : "SHA-256";
    return Error(ErrorCode::scep_algorithm,
                 fmt::format("token '{}' does not decrypt by RSAES-OAEP with {}", name, hash), std::move(why),
                 "set the CA to RSA PKCS#1 v1.5 key transport");
}

}  // namespace hwenroll::keystore
