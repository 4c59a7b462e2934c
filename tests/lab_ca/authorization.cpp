#include "tests/lab_ca/authorization.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace hwenroll::lab_ca {
namespace {

constexpr int max_rsa_bits = 8192;

bool same_secret(const Secret& a, const Secret& b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.reveal().data(), b.reveal().data(), a.size()) == 0;
}

Outcome<void> check_requested_key(const PublicKey& key, int min_rsa_bits) {
    if (key.is_rsa() && key.bits() < min_rsa_bits) {
        return reject(FailInfo::bad_request,
                      fmt::format("the key size of {} bits is less than {}", key.bits(), min_rsa_bits));
    }
    if (key.is_rsa() && key.bits() <= max_rsa_bits) {
        return {};
    }
    if (key.text() == "EC P-256" || key.text() == "EC P-384") {
        return {};
    }
    return reject(FailInfo::bad_request, "no certificate is issued for a key of " + key.text());
}

}  // namespace

Outcome<void> Authorization::accept_signer(const ScepRequest& request, SignerKind signer, TimePoint now) const {
    const bool renewal = request.message_type == MessageType::renewal_req;
    if (renewal && !policy_.renewal.renewal_req) {
        return reject(FailInfo::bad_request, "renewal is not enabled");
    }
    if (signer == SignerKind::other) {
        return reject(FailInfo::bad_request, "the signer's certificate is neither self-signed nor from this CA");
    }
    if (signer == SignerKind::self_signed && renewal) {
        return reject(FailInfo::bad_request, "a renewal is signed by a certificate of this CA");
    }
    if (signer == SignerKind::self_signed && !policy_.self_signed_signers) {
        return reject(FailInfo::bad_request, "the signer is not trusted: its certificate is self-signed");
    }
    if (signer == SignerKind::issued_here && request.signer_certificate->is_ca()) {
        return reject(FailInfo::bad_request, "the signer's certificate is a CA's");
    }
    // The lifetime of a self-signed certificate is its maker's claim and says nothing (SIG-2); ours does.
    if (signer == SignerKind::issued_here &&
        (now < request.signer_certificate->not_before() || now > request.signer_certificate->not_after())) {
        return reject(FailInfo::bad_request, "the signer's certificate is not valid now");
    }
    return {};
}

Outcome<void> Authorization::admit(const ScepRequest& request, const CertificationRequest& csr, SignerKind signer,
                                   TimePoint now) {
    if (csr.subject().empty()) {
        return reject(FailInfo::bad_request, "the subject is empty");
    }
    if (Outcome<void> key = check_requested_key(csr.public_key(), policy_.min_rsa_bits); !key) {
        return key;
    }
    const bool renewal = request.message_type == MessageType::renewal_req;
    const bool same_subject =
        signer == SignerKind::issued_here && request.signer_certificate->subject() == csr.subject();
    const bool of_manufacturer = signer == SignerKind::manufacturer;
    if (renewal && !same_subject && !of_manufacturer) {
        return reject(FailInfo::bad_request, "a renewal keeps the subject of its signer's certificate");
    }
    const bool renews = same_subject && (renewal || policy_.renewal.pkcs_req);
    if (!csr.challenge() && (renews || of_manufacturer || policy_.challenge_optional)) {
        return {};
    }
    if (!csr.challenge()) {
        return reject(FailInfo::bad_request, "a challengePassword is required");
    }
    if (one_time_) {
        return one_time_->use(csr.challenge()->value, now);
    }
    if (!same_secret(csr.challenge()->value, challenge_)) {
        return reject(FailInfo::bad_request, "the challengePassword is wrong");
    }
    return {};
}

}  // namespace hwenroll::lab_ca
