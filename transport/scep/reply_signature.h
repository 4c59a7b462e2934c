// Who signed a reply, and whether the signature is good (SIG-10…18).
#pragma once

#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// Whether `key` made the signature. It covers the attributes as received, under the tag of a SET (MSG-3). A peer that
/// sends them unsorted may have signed them in DER's order, as RFC 5652 §5.4 has it, so that counts too. The SignerInfo
/// must have signed attributes.
bool signature_is_good(const SignerInfo& signer, const PublicKey& key, Digest digest);

/// A signature that is good.
struct VerifiedSigner {
    Certificate certificate;  ///< the trusted copy
    Digest digest = Digest::sha256;
    std::vector<std::string> warnings;
};

/// Finds the one signer among `expected.signers` and `expected.next_signers`, never among the certificates that the
/// message carries (BAD-69), and verifies its signature over the signed attributes as they were received, their
/// messageDigest over the content and that their contentType is the message's; which types are acceptable the caller
/// knows. Errors: scep_signature, scep_signer, scep_algorithm, scep_attribute.
Result<VerifiedSigner> verify_signer(const SignedData& message, const ReplyExpectation& expected);

}  // namespace hwenroll::scep
