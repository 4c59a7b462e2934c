#include "agent/runtime/orphan_keys.h"

#include <algorithm>
#include <string_view>

namespace hwenroll::runtime {
namespace {

/// IdentityRunner gives it to every key that it has made.
constexpr std::string_view label_begin = "hwenroll ";
constexpr std::size_t own_id_size = 16;

bool is_of_our_making(const keystore::KeyDescription& key) {
    return key.key.id.value.size() == own_id_size &&
           (key.label.starts_with(label_begin) || key.uri.starts_with("handle:"));
}

}  // namespace

std::vector<OrphanKey> orphans_among(const std::vector<keystore::KeyDescription>& keys,
                                     const std::vector<store::KeyOwner>& owners,
                                     const std::set<std::string>& configured) {
    std::vector<OrphanKey> orphans;
    for (const keystore::KeyDescription& key : keys) {
        if (!is_of_our_making(key)) {
            continue;
        }
        OrphanKey orphan{key, key.label.starts_with(label_begin) ? key.label.substr(label_begin.size()) : "", false};
        bool needed = false;
        for (const store::KeyOwner& owner : owners) {
            if (owner.id == key.key.id.value) {
                needed = needed || owner.adopted || configured.contains(owner.identity);
                orphan.recorded = true;
                orphan.identity = owner.identity;
            }
        }
        if (!needed) {
            orphans.push_back(std::move(orphan));
        }
    }
    return orphans;
}

bool OrphanChoice::fits(const OrphanKey& orphan) const {
    return (identity.empty() || orphan.identity == identity) &&
           (ids.empty() || std::ranges::find(ids, orphan.key.key.id.value) != ids.end());
}

}  // namespace hwenroll::runtime
