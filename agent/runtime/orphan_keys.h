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
    std::string identity;     ///< whose it was, by state.db or by its label; empty: not told, as TPMs keep no label
    bool recorded = false;    ///< state.db knows it, of an identity that is not configured any more
    bool only_by_id = false;  ///< an identity of that name is configured: it may be another machine's key
};

/// What must be known to tell orphans.
struct KeyNeeds {
    std::vector<store::KeyOwner> owners;     ///< read after the keys were listed: an id is committed before its key
    std::set<std::string> configured;        ///< names of all identities, disabled ones included
    std::vector<config::KeyChoice> choices;  ///< `existing:…` of all identities and signers
};

/// The needs of a whole configuration, but for the owners. Complete only where the configuration has no finding.
KeyNeeds needs_of(const config::Configuration& configuration);

/// A key of `keys` is an orphan if hwenroll has made it (an id of 16 octets, and a label `hwenroll NAME` or a TPM's
/// handle), no configured identity has it in state.db, and no `existing:…` names it. Other programs' keys and those
/// that an identity adopted never are. On a token that several machines use, the keys of the others look like orphans.
std::vector<OrphanKey> orphans_among(const std::vector<keystore::KeyDescription>& keys, const KeyNeeds& needs);

/// Which orphans to destroy: of one identity, or by their ids, or both.
struct OrphanChoice {
    std::string identity;    ///< empty: any; without ids never what is only_by_id
    std::vector<Bytes> ids;  ///< empty: any
    [[nodiscard]] bool fits(const OrphanKey& orphan) const;
};

}  // namespace hwenroll::runtime
