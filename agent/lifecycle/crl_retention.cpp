#include "agent/lifecycle/crl_retention.h"

#include <algorithm>
#include <map>
#include <utility>

namespace hwenroll::lifecycle {

void retain_crls(std::vector<CrlState>& in_use, std::vector<CrlState> others, const std::vector<CrlName>& wanted) {
    std::map<Bytes, std::size_t> kept;  // by issuer
    for (const CrlState& one : in_use) {
        kept[one.issuer] = 0;
    }
    for (const CrlName& name : wanted) {
        kept[name.issuer] = 0;
    }
    std::ranges::stable_sort(
        others, [](const CrlState& one, const CrlState& other) { return one.crl.this_update > other.crl.this_update; });
    for (CrlState& one : others) {
        const auto count = kept.find(one.issuer);
        if (count != kept.end() && !one.crl.digest.empty() && count->second < most_retained_crls) {
            ++count->second;
            in_use.push_back(std::move(one));
        }
    }
}

bool is_outlived(const CrlState& list, const std::vector<CrlState>& states, const std::vector<CrlName>& wanted,
                 TimePoint now) {
    const bool ended = list.crl.next_update && *list.crl.next_update < now;
    return ended && std::ranges::find(wanted, CrlName{list.issuer, list.scope}) == wanted.end() &&
           std::ranges::any_of(states, [&](const CrlState& other) {
               return other.issuer == list.issuer && !other.crl.digest.empty() &&
                      other.crl.this_update > list.crl.this_update;
           });
}

}  // namespace hwenroll::lifecycle
