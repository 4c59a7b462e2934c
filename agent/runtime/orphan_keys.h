// Keys on a token that hwenroll made and that nothing needs any more (F4, T24).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/store/store.h"
#include "keystore/key_spec.h"

namespace hwenroll::runtime {

/// Such a key.
struct OrphanKey {
    keystore::KeyDescription key;
    std::string identity;   ///< whose it was, by state.db or by its label; empty: not told, as TPMs keep no label
    bool recorded = false;  ///< state.db knows it, of an identity that is not configured any more
};

/// A key of `keys` is an orphan if hwenroll has made it (an id of 16 octets, and a label `hwenroll NAME` or a TPM's
/// handle), and no identity of `configured` has it in state.db. Other programs' keys and those that an identity adopted
/// never are. On a token that several machines use, the keys of the others look like orphans. `keys` must have been
/// listed before `owners` was read, since an id is committed before its key is made.
std::vector<OrphanKey> orphans_among(const std::vector<keystore::KeyDescription>& keys,
                                     const std::vector<store::KeyOwner>& owners,
                                     const std::set<std::string>& configured);

/// Which orphans to destroy: of one identity, or by their ids, or both.
struct OrphanChoice {
    std::string identity;    ///< empty: any
    std::vector<Bytes> ids;  ///< empty: any
    [[nodiscard]] bool fits(const OrphanKey& orphan) const;
};

}  // namespace hwenroll::runtime
