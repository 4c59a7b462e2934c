#include "agent/runtime/revocation_lookup.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/crl_retention.h"
#include "transport/scep/certificate_path.h"

namespace hwenroll::runtime {
namespace {

/// Between two looks whose outcome could not be written down.
constexpr Seconds pause{60};

/// The list at hand that speaks of what is published; nullptr: there is none.
const lifecycle::CrlState* list_of(const IdentityRunner& runner, const std::vector<lifecycle::CrlState>& states) {
    const auto& current = runner.state().current;
    const auto name = current ? lifecycle::crl_of(current->issued) : std::nullopt;
    const lifecycle::CrlState* const found = name ? lifecycle::find_crl(states, *name) : nullptr;
    return found != nullptr && !found->crl.digest.empty() ? found : nullptr;
}

/// What a certificate was looked up by: its list and itself.
Bytes mark_of(const IdentityRunner& runner, const lifecycle::CrlState& list) {
    Bytes mark = list.crl.digest;
    const Bytes leaf = sha256(runner.state().current->issued.leaf);
    mark.insert(mark.end(), leaf.begin(), leaf.end());
    return mark;
}

}  // namespace

bool RevocationLookup::was_looked_up(const IdentityRunner& runner, const lifecycle::CrlState& list) const {
    const auto known = looked_up_.find(runner.name());
    return known != looked_up_.end() && known->second == mark_of(runner, list);
}

std::optional<TimePoint> RevocationLookup::next_due(const std::vector<lifecycle::CrlState>& states) const {
    if (!at_.clock_trust.trusted() || states.empty()) {
        return std::nullopt;
    }
    const TimePoint now = at_.clock.now();
    if (must_look_) {
        return now;
    }
    const bool left = std::ranges::any_of(runners_(), [&](const IdentityRunner* runner) {
        const lifecycle::CrlState* const list = list_of(*runner, states);
        return list != nullptr && !was_looked_up(*runner, *list);
    });
    return left ? std::optional(std::max(now, look_again_)) : std::nullopt;
}

void RevocationLookup::look(const std::vector<lifecycle::CrlState>& states) {
    if (!at_.clock_trust.trusted()) {
        must_look_ = true;
        return;
    }
    must_look_ = false;
    look_again_ = at_.clock.now() + pause;
    std::map<const lifecycle::CrlState*, std::map<Bytes, IdentityRunner*>> by_list;
    for (IdentityRunner* const runner : runners_()) {
        const lifecycle::CrlState* const list = list_of(*runner, states);
        if (list == nullptr || was_looked_up(*runner, *list)) {
            continue;
        }
        if (const auto leaf = Certificate::from_der(runner->state().current->issued.leaf)) {
            by_list[list].emplace(leaf->serial(), runner);
        }
    }
    for (const auto& [list, by_serial] : by_list) {
        if (!look_into(*list, by_serial)) {
            return;
        }
    }
}

bool RevocationLookup::look_into(const lifecycle::CrlState& list, const std::map<Bytes, IdentityRunner*>& by_serial) {
    std::vector<Bytes> serials;
    for (const auto& [serial, runner] : by_serial) {
        serials.push_back(serial);
    }
    const auto document = at_.store.crl_document(list.crl.digest);
    const auto found = document ? scep::find_revocations(*document, serials) : fail(document.error());
    if (!found) {
        warn_(found.error().line());
        return false;
    }
    for (const auto& [serial, runner] : by_serial) {
        const auto entry =
            std::ranges::find_if(*found, [&](const scep::Revocation& one) { return one.serial == serial; });
        Bytes mark = mark_of(*runner, list);
        const bool revoked = entry != found->end() && !entry->is_hold();
        if (entry != found->end()) {
            report(*runner, *entry);
        } else if (on_hold_.erase(runner->name()) > 0) {
            runner->alert("its certificate is not suspended any more (certificateHold)");
        }
        // What could not be written down is found again (SM-18).
        if (!revoked || runner->state().revoked) {
            looked_up_[runner->name()] = std::move(mark);
        }
    }
    return true;
}

/// A certificate that is suspended may come back, and its key is not known to be lost: people decide.
void RevocationLookup::report(IdentityRunner& runner, const scep::Revocation& found) {
    const std::string why = fmt::format("{} since {}", scep::reason_text(found.reason), to_iso8601(found.date));
    if (!found.is_hold()) {
        on_hold_.erase(runner.name());
        return runner.post(lifecycle::CertificateRevoked{runner.state().current->issued.leaf, why});
    }
    if (std::exchange(on_hold_[runner.name()], found.serial) != found.serial) {
        runner.alert("its certificate is suspended by the CA (" + why +
                     "); it stays in use, 'hwenroll enroll ID' gets another one");
    }
}

/// Serial numbers are a CA's, whatever the distribution points: being on any of its lists is enough. A revocation is
/// for ever; a suspension may have ended since a list that is not fetched any more.
bool RevocationLookup::is_revoked(const Certificate& certificate, const std::vector<lifecycle::CrlState>& states,
                                  const std::vector<lifecycle::CrlName>& wanted) const {
    if (!at_.clock_trust.trusted()) {
        return false;
    }
    for (const lifecycle::CrlState& list : states) {
        const auto issuer = Certificate::from_der(list.issuer);
        if (!issuer || list.crl.digest.empty() || !scep::is_issued_by(certificate, *issuer)) {
            continue;
        }
        const auto document = at_.store.crl_document(list.crl.digest);
        const auto found =
            document ? scep::find_revocations(*document, {certificate.serial()}) : fail(document.error());
        const bool suspends = found && !lifecycle::is_outlived(list, states, wanted, at_.clock.now());
        if (found && std::ranges::any_of(*found, [&](const auto& one) { return suspends || !one.is_hold(); })) {
            return true;
        }
    }
    return false;
}

void RevocationLookup::forget() {
    looked_up_.clear();
    on_hold_.clear();
}

}  // namespace hwenroll::runtime
