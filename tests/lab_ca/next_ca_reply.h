// The reply to GetNextCACert (RFC 8894 §4.7.1), right and wrong (ROLL-5, ROLL-6, ROLL-17, BAD-125 … BAD-129).
#pragma once

#include "tests/lab_ca/authority.h"

namespace hwenroll::lab_ca {

enum class NextCaForm {
    nested,          ///< a certificates-only message inside a SignedData of the current CA, as the RFC wants it
    flat,            ///< the next CA only among the certificates of a SignedData without content (jscep)
    ra_signed,       ///< nested, signed by the RA
    unsigned_only,   ///< just the certificates-only message
    unknown_signer,  ///< nested, signed by a stranger under the current CA's name
    next_signed,     ///< nested, signed by the next CA itself
    current_again,   ///< nested, with the current CA in place of the next
    outer_extra,     ///< nested, with a stranger's CA beside the signer's certificate, outside the signature
    empty,           ///< nested, without any certificate
    ra_only,         ///< nested, with the RA in place of the next CA
};

/// DER with `now` as signingTime. `ra` is used where the form says so. Error code: crypto.
Result<Bytes> write_next_ca(NextCaForm form, const Authority& current, const Authority& next, const SigningIdentity& ra,
                            TimePoint now);

}  // namespace hwenroll::lab_ca
