#include "agent/runtime/orphan_keys.h"

#include <algorithm>
#include <string_view>

#include "agent/runtime/request_jobs.h"

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

KeyNeeds needs_of(const config::Configuration& configuration) {
    KeyNeeds needs;
    for (const auto& [name, identity] : configuration.identities) {
        needs.configured.insert(name);
        needs.choices.push_back(identity.key);
        if (identity.signer) {
            needs.choices.push_back(identity.signer->key);
        }
    }
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity) {
            needs.configured.insert(finding.name);
        }
    }
    return needs;
}

std::vector<OrphanKey> orphans_among(const std::vector<keystore::KeyDescription>& keys, const KeyNeeds& needs) {
    std::vector<OrphanKey> orphans;
    for (const keystore::KeyDescription& key : keys) {
        if (!is_of_our_making(key)) {
            continue;
        }
        OrphanKey orphan{key, key.label.starts_with(label_begin) ? key.label.substr(label_begin.size()) : "", false,
                         false};
        bool needed = std::ranges::any_of(needs.choices,
                                          [&](const config::KeyChoice& choice) { return is_named_by(choice, key); });
        for (const store::KeyOwner& owner : needs.owners) {
            if (owner.id == key.key.id.value) {
                needed = needed || owner.adopted || needs.configured.contains(owner.identity);
                orphan.recorded = true;
                orphan.identity = owner.identity;
            }
        }
        orphan.only_by_id = !orphan.recorded && needs.configured.contains(orphan.identity);
        if (!needed) {
            orphans.push_back(std::move(orphan));
        }
    }
    return orphans;
}

bool OrphanChoice::fits(const OrphanKey& orphan) const {
    const bool named = !ids.empty() && std::ranges::find(ids, orphan.key.key.id.value) != ids.end();
    return (identity.empty() || orphan.identity == identity) && (ids.empty() || named) && (named || !orphan.only_by_id);
}

}  // namespace hwenroll::runtime
