#include "tests/lab_ca/authorization.h"

#include <openssl/crypto.h>

namespace hwenroll::lab_ca {
namespace {

constexpr int min_rsa_bits = 2048;
constexpr int max_rsa_bits = 8192;

bool same_secret(const Secret& a, const Secret& b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.reveal().data(), b.reveal().data(), a.size()) == 0;
}

Outcome<void> check_requested_key(const PublicKey& key) {
    if (key.is_rsa() && key.bits() >= min_rsa_bits && key.bits() <= max_rsa_bits) {
        return {};
    }
    if (key.text() == "EC P-256" || key.text() == "EC P-384") {
        return {};
    }
    return reject(FailInfo::bad_request, "no certificate is issued for a key of " + key.text());
}

}  // namespace

Outcome<void> Authorization::accept_signer(const ScepRequest& request, SignerKind signer, TimePoint now) {
    if (request.message_type == MessageType::renewal_req) {
        return reject(FailInfo::bad_request, "renewal is not enabled");
    }
    if (signer == SignerKind::other) {
        return reject(FailInfo::bad_request, "the signer's certificate is neither self-signed nor from this CA");
    }
    // The lifetime of a self-signed certificate is its maker's claim and says nothing (SIG-2); ours does.
    if (signer == SignerKind::issued_here &&
        (now < request.signer_certificate->not_before() || now > request.signer_certificate->not_after())) {
        return reject(FailInfo::bad_request, "the signer's certificate is not valid now");
    }
    return {};
}

Outcome<void> Authorization::admit(const CertificationRequest& csr) const {
    if (csr.subject().empty()) {
        return reject(FailInfo::bad_request, "the subject is empty");
    }
    if (Outcome<void> key = check_requested_key(csr.public_key()); !key) {
        return key;
    }
    if (!csr.challenge()) {
        return reject(FailInfo::bad_request, "a challengePassword is required");
    }
    if (!same_secret(csr.challenge()->value, challenge_)) {
        return reject(FailInfo::bad_request, "the challengePassword is wrong");
    }
    return {};
}

}  // namespace hwenroll::lab_ca
