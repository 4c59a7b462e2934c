// The configuration's names of key usages and extended key usages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/openssl_ptr.h"

namespace hwenroll::scep {

/// Position of a keyUsage bit (RFC 5280 §4.2.1.3), e.g. digitalSignature is 0. Nothing for an unknown name.
std::optional<int> key_usage_bit(std::string_view name);

/// libcrypto's KU_* flag of the same bit, as in Certificate::key_usage().
std::optional<std::uint32_t> key_usage_flag(std::string_view name);

/// The purpose that `name` means: serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning,
/// ipsecIKE, smartcardLogon or a dotted OID. Null for anything else.
OpenSslPtr<ASN1_OBJECT> extended_key_usage_object(const std::string& name);

}  // namespace hwenroll::scep
