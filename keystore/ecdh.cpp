#include "keystore/ecdh.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "keystore/key_spec.h"

namespace hwenroll::keystore {
namespace {

/// Appends a coordinate, as long as the field; false if the key does not tell it.
bool append_coordinate(Bytes& point, const PublicKey& key, const char* which) {
    BIGNUM* number = nullptr;
    const bool told = EVP_PKEY_get_bn_param(key.get(), which, &number) == 1;
    const OpenSslPtr<BIGNUM> owned(number);
    const auto size = static_cast<std::size_t>(key.bits() + 7) / 8;
    const std::size_t before = point.size();
    point.resize(before + size);
    return told && BN_bn2binpad(number, point.data() + before, static_cast<int>(size)) > 0;
}

}  // namespace

std::optional<Bytes> peer_point(const PublicKey& own, const PublicKey& peer) {
    const bool agrees = matches(KeySpec::ec_p256, own) || matches(KeySpec::ec_p384, own);
    if (!agrees || !peer.is_ec() || peer.curve() != own.curve()) {
        return std::nullopt;
    }
    Bytes point{0x04};
    if (!append_coordinate(point, peer, OSSL_PKEY_PARAM_EC_PUB_X) ||
        !append_coordinate(point, peer, OSSL_PKEY_PARAM_EC_PUB_Y)) {
        return std::nullopt;
    }
    return point;
}

}  // namespace hwenroll::keystore
