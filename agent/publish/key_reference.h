// key.pem of a PKCS#11 key: a reference that pkcs11-provider loads like a key file.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hwenroll::publish {

/// PEM of label `PKCS#11 PROVIDER URI` around SEQUENCE { VisibleString "PKCS#11 Provider URI v1.0", UTF8String uri }
/// (pkcs11-provider, docs of its URI files). `uri` must be a pkcs11: URI of printable ASCII without a PIN; what is
/// refused is not repeated. Error code: publish_write.
Result<std::string> key_reference_pem(std::string_view uri);

}  // namespace hwenroll::publish
