// The extensions that a PKCS#10 asks for (CSR-3).
#pragma once

#include "transport/scep/certification_request.h"

namespace hwenroll::scep {

/// keyUsage (critical), extKeyUsage and subjectAltName in this order, each only when `request` names something for it;
/// empty when it names nothing. Error codes: config_value, naming the entry; crypto.
Result<OpenSslPtr<STACK_OF(X509_EXTENSION)>> requested_extensions(const CertificationRequest& request);

}  // namespace hwenroll::scep
