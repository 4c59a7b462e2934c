// What is asked for: the PKCS#10 request (RFC 2986) and the self-signed certificate that signs the first message.
#pragma once

#include <string>
#include <vector>

#include "base/certificate.h"
#include "base/secret.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// The string type of challengePassword (RFC 2985 §5.4.1, CSR-2).
enum class ChallengeString : std::uint8_t {
    automatic,  ///< PrintableString where the challenge allows it, else UTF8String
    printable,  ///< PrintableString, or no request: some servers read nothing else (Q-NDES-7)
    utf8,
};

/// The contents of a request.
struct CertificationRequest {
    DistinguishedName subject;
    std::vector<std::string> subject_alt_names;   ///< `dns:`, `ip:`, `email:`, `uri:`, `upn:` (CSR-3)
    std::vector<std::string> key_usage;           ///< RFC 5280 names, e.g. digitalSignature; critical when not empty
    std::vector<std::string> extended_key_usage;  ///< serverAuth, clientAuth, … or dotted OIDs
    Digest digest = Digest::sha256;
    ChallengeString challenge_string = ChallengeString::automatic;
};

/// Checks the contents without a key: names, addresses, usages. Error code: config_value, naming the entry.
Status check(const CertificationRequest& request);

/// Builds and signs a PKCS#10 (one private operation of `key`, CSR-1) with `challenge` as challengePassword when it is
/// not empty, verifies its signature in software (the signing self-test) and returns the DER, which holds the
/// challenge. Errors: config_value; config_unsupported, for a key below the floor (CSR-5); challenge_source, for a
/// challenge that `request.challenge_string` cannot carry;
/// crypto, token_self_test; a failed private operation is reported as crypto: the keystore knows the cause.
Result<Secret> build_csr(const CertificationRequest& request, EVP_PKEY* key, const Secret& challenge);

/// The locally made certificate of a first enrollment (SIG-1, SIG-2): subject = issuer, v3, critical keyUsage
/// digitalSignature + keyEncipherment, CA:FALSE, subjectKeyIdentifier. `serial` is 16 random octets, made positive
/// here. One private operation of `key`. Errors: crypto.
Result<Certificate> build_signer_certificate(const DistinguishedName& subject, EVP_PKEY* key, ByteView serial,
                                             TimePoint not_before, TimePoint not_after, Digest digest);

}  // namespace hwenroll::scep
