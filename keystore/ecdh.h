// What a key on a device needs of its peer to agree on a secret (ECDH).
#pragma once

#include <optional>

#include "base/public_key.h"

namespace hwenroll::keystore {

/// The peer's point, uncompressed: 04, x and y (SEC 1 §2.3.3), however its SubjectPublicKeyInfo writes it. Nothing when
/// `own` and `peer` are not on the same curve, P-256 or P-384. That the point is on its curve PublicKey has seen to.
std::optional<Bytes> peer_point(const PublicKey& own, const PublicKey& peer);

}  // namespace hwenroll::keystore
