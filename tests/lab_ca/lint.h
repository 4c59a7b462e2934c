// What a client's messages do against RFC 8894 and hwenroll's own rules (SRV-14). A finding does not refuse a request.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/lab_ca/capabilities.h"
#include "tests/lab_ca/http_message.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {

/// A broken rule: the id is that of the project's list of SCEP requirements.
struct Finding {
    std::string id;
    std::string text;
};

using Findings = std::vector<Finding>;

/// HTTP-1 … HTTP-17: method, operation, headers and URL.
Findings lint_http(const HttpRequest& request, const Capabilities& capabilities);

/// SIG-5 … SIG-9, SIG-15, MSG-1 … MSG-5, MSG-11, ALG-4: SignedData and its attributes.
Findings lint_signed_data(const ScepRequest& request, const Capabilities& capabilities);

/// SIG-1, SIG-2, REN-5 and ALG-11: the signer's certificate.
Findings lint_signer(const ScepRequest& request, SignerKind kind, TimePoint now);

/// ENV-1 … ENV-4, ALG-1: the envelope. `recipient` is the certificate it should be for.
Findings lint_envelope(const EnvelopedDataSyntax& envelope, const Certificate& recipient,
                       const Capabilities& capabilities);

/// CSR-1 … CSR-5, SIG-1, ALG-11: the PKCS#10 and how it fits its message.
Findings lint_certification_request(const CertificationRequest& csr, const ScepRequest& request, SignerKind kind);

/// CAPS-11, SIG-1, SIG-3, REN-7, SEC-5: renewals, and requests that should be one.
Findings lint_renewal(const CertificationRequest& csr, const ScepRequest& request, SignerKind kind,
                      const Capabilities& capabilities);

/// SEC-3: the challenge must not stand outside the envelope.
Findings lint_secrecy(const CertificationRequest& csr, ByteView message);

/// MSG-22: the names in a CertPoll. `requested` is the subject of the polled transaction's request, or nullptr.
Findings lint_poll(const IssuerAndSubject& poll, const Certificate& authority, const DistinguishedName* requested);

/// Values that must never come twice: nonces (MSG-7) and initialisation vectors (SRV-14). Used by one thread.
class Freshness {
 public:
    Findings check_nonce(const Bytes& nonce) {
        return check(nonces_, nonce, "MSG-7", "this senderNonce was seen before");
    }
    Findings check_iv(const Bytes& iv) {
        return check(ivs_, iv, "SRV-14", "this initialisation vector was seen before");
    }

 private:
    static Findings check(std::set<Bytes>& seen, const Bytes& value, const char* id, const char* text) {
        return seen.insert(value).second ? Findings{} : Findings{{id, text}};
    }
    std::set<Bytes> nonces_;
    std::set<Bytes> ivs_;
};

/// Adds `more` to `findings`.
inline void append(Findings& findings, Findings more) {
    findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace hwenroll::lab_ca
