#include "base/public_key.h"

#include <array>

#include <fmt/format.h>
#include <openssl/core_names.h>

namespace hwenroll {

Result<PublicKey> PublicKey::from_spki(ByteView der) {
    const unsigned char* in = der.data();
    std::shared_ptr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &in, static_cast<long>(der.size())), EVP_PKEY_free);
    if (!key || in != der.data() + der.size()) {
        return fail(ErrorCode::scep_structure, "a public key is malformed or of an unknown kind",
                    take_openssl_errors());
    }
    return PublicKey(to_bytes(der), std::move(key));
}

Result<PublicKey> PublicKey::of(EVP_PKEY* key) {
    const Bytes spki = der_of([&](unsigned char** out) { return i2d_PUBKEY(key, out); });
    if (spki.empty()) {
        return fail(openssl_error("cannot encode a public key"));
    }
    return from_spki(spki);
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
    const OpenSslPtr<BIGNUM> n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const OpenSslPtr<BIGNUM> e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return fail(openssl_error("cannot build an RSA public key"));
    }
    const OpenSslPtr<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", "provider=default"));
    EVP_PKEY* key = nullptr;
    if (!context || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) <= 0) {
        return fail(openssl_error("cannot build an RSA public key"));
    }
    const OpenSslPtr<EVP_PKEY> owned(key);
    return of(key);
}

bool PublicKey::is_rsa() const {
    return EVP_PKEY_is_a(key_.get(), "RSA") == 1;
}

bool PublicKey::is_ec() const {
    return EVP_PKEY_is_a(key_.get(), "EC") == 1;
}

int PublicKey::bits() const {
    return EVP_PKEY_get_bits(key_.get());
}

std::string PublicKey::text() const {
    if (is_ec()) {
        std::array<char, 64> group{};
        if (EVP_PKEY_get_group_name(key_.get(), group.data(), group.size(), nullptr) == 1) {
            const std::string name = group.data();
            return "EC " + (name == "prime256v1" ? "P-256" : name == "secp384r1" ? "P-384" : name);
        }
    }
    const char* type = EVP_PKEY_get0_type_name(key_.get());
    return fmt::format("{} {}", type == nullptr ? "unknown" : type, bits());
}

}  // namespace hwenroll
