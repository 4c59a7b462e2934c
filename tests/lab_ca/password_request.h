// Requests that are encrypted under the challenge, for a CA without an RSA key (RFC 8894 §3.1, ENV-5, ENV-6).
#pragma once

#include "base/secret.h"
#include "tests/lab_ca/lint.h"

namespace hwenroll::lab_ca {

/// Whether its only recipient is one by password.
bool is_by_password(const EnvelopedDataSyntax& envelope);

/// ENV-3, ENV-5, ENV-6 of a ContentInfo whose recipient is one by password. `authority` is the CA's certificate.
Findings lint_password_envelope(ByteView content_info, const Certificate& authority);

/// By libcrypto's CMS. badMessageCheck when `password` does not open it.
Outcome<Bytes> open_password_envelope(ByteView content_info, const Secret& password);

}  // namespace hwenroll::lab_ca
