#include "keystore/ecdh.h"

#include "keystore/key_spec.h"

namespace hwenroll::keystore {

std::optional<Bytes> peer_point(const PublicKey& own, const PublicKey& peer) {
    const bool agrees = matches(KeySpec::ec_p256, own) || matches(KeySpec::ec_p384, own);
    if (!agrees || !peer.is_ec() || peer.curve() != own.curve()) {
        return std::nullopt;
    }
    Bytes point = peer.point();
    return point.empty() ? std::nullopt : std::optional(std::move(point));
}

}  // namespace hwenroll::keystore
