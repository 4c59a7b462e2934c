#include "transport/scep/reply_algorithms.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "base/openssl_ptr.h"
#include "transport/scep/digests.h"

namespace hwenroll::scep {
namespace {

constexpr std::array<Digest, 4> digests{{Digest::sha1, Digest::sha256, Digest::sha384, Digest::sha512}};

constexpr std::string_view oid_rsa_encryption = "1.2.840.113549.1.1.1";

constexpr std::array<CipherInfo, 5> ciphers{
    {{"1.3.14.3.2.7", ContentCipher::des, "DES-CBC", 8, 8},
     {"1.2.840.113549.3.7", ContentCipher::des3, "DES-EDE3-CBC", 24, 8},
     {"2.16.840.1.101.3.4.1.2", ContentCipher::aes128, "AES-128-CBC", 16, 16},
     {"2.16.840.1.101.3.4.1.22", ContentCipher::aes192, "AES-192-CBC", 24, 16},
     {"2.16.840.1.101.3.4.1.42", ContentCipher::aes256, "AES-256-CBC", 32, 16}}};

int exponent_bits(const PublicKey& key) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_E, &raw) != 1) {
        return 0;
    }
    const OpenSslPtr<BIGNUM> exponent(raw);
    return BN_is_odd(exponent.get()) == 1 ? BN_num_bits(exponent.get()) : 0;
}

}  // namespace

std::optional<Digest> digest_by_oid(std::string_view oid) {
    const auto* found = std::ranges::find_if(digests, [&](Digest digest) { return digest_oid(digest) == oid; });
    return found == digests.end() ? std::nullopt : std::optional(*found);
}

std::optional<SignatureScheme> signature_scheme_by_oid(std::string_view oid) {
    if (oid == oid_rsa_encryption) {
        return SignatureScheme{true, std::nullopt};
    }
    for (const Digest digest : digests) {
        if (oid == rsa_oid(digest) || oid == ecdsa_oid(digest)) {
            return SignatureScheme{oid == rsa_oid(digest), digest};
        }
    }
    return std::nullopt;
}

const CipherInfo* cipher_by_oid(std::string_view oid) {
    const auto* found = std::ranges::find(ciphers, oid, &CipherInfo::oid);
    return found == ciphers.end() ? nullptr : found;
}

const CipherInfo& cipher_info(ContentCipher cipher) {
    return *std::ranges::find(ciphers, cipher, &CipherInfo::cipher);
}

std::string name_of_oid(std::string_view oid) {
    const OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(std::string(oid).c_str(), 1));
    const int nid = object ? OBJ_obj2nid(object.get()) : NID_undef;
    ERR_clear_error();
    return nid == NID_undef ? std::string(oid) : OBJ_nid2ln(nid);
}

Status check_digest(Digest digest, const LegacyPermissions& legacy, std::string_view what) {
    if (digest == Digest::sha1 && !legacy.sha1_reply) {
        return fail(ErrorCode::scep_algorithm, fmt::format("{} is signed with SHA-1", what), {},
                    "enable SHA-256 on the CA, or set legacy = [\"sha1-reply\"] with 'legacy_until'");
    }
    return {};
}

Status check_signature_algorithm(const Certificate& certificate, const LegacyPermissions& legacy,
                                 std::string_view what) {
    constexpr int least_security_bits = 112;  // of SHA-224 and better
    int digest = NID_undef;
    int security_bits = 0;
    if (X509_get_signature_info(certificate.get(), &digest, nullptr, &security_bits, nullptr) != 1) {
        ERR_clear_error();
        return fail(ErrorCode::scep_algorithm, fmt::format("{} is signed in a way that is unknown here", what));
    }
    if (digest == NID_sha1) {
        return check_digest(Digest::sha1, legacy, what);
    }
    if (security_bits < least_security_bits) {
        return fail(ErrorCode::scep_algorithm, fmt::format("{} is signed with a broken digest", what),
                    OBJ_nid2ln(digest), "the CA must use SHA-256");
    }
    return {};
}

Status check_key_size(const PublicKey& key, const ParseLimits& limits, ErrorCode code, std::string_view what) {
    constexpr int least_rsa_bits = 2048;
    constexpr int least_curve_bits = 256;
    const int bits = key.bits();
    std::string reason;
    if (key.is_rsa()) {
        const int exponent = exponent_bits(key);
        if (bits < least_rsa_bits || bits > limits.max_rsa_bits) {
            reason =
                fmt::format("an RSA key of {} bits; {} to {} are accepted", bits, least_rsa_bits, limits.max_rsa_bits);
        } else if (exponent < 2 || exponent > limits.max_exponent_bits) {
            reason = "an RSA key with an even, trivial or huge public exponent";
        }
    } else if (!key.is_ec()) {
        reason = fmt::format("a key of the kind {}; RSA and EC are accepted", key.text());
    } else if (bits < least_curve_bits) {
        reason = fmt::format("an EC key of {} bits; at least {} are needed", bits, least_curve_bits);
    }
    if (reason.empty()) {
        return {};
    }
    return fail(code, fmt::format("{} has an unacceptable key", what), std::move(reason),
                "ask the CA's operator for a stronger certificate");
}

}  // namespace hwenroll::scep
