// From a stored state to what people see of it: one place for the daemon and for `hwenroll status` beside none.
#pragma once

#include <filesystem>

#include "agent/control/service.h"
#include "agent/lifecycle/identity_state.h"

namespace hwenroll::control {

/// What the configuration says of an identity.
struct ConfiguredIdentity {
    std::string name;
    std::string ca;
    std::string token;
    std::string subject;
    std::filesystem::path publish_dir;
    std::optional<Error> fault = {};  ///< of its configuration: it is disabled
};

/// The view of `state` at `now`. renew_at is left for whoever schedules it. Error codes: those
/// of summary_of(), for a stored certificate that cannot be read.
Result<IdentityView> view_of(const ConfiguredIdentity& configured, const lifecycle::IdentityState& state,
                             TimePoint now);

/// The row of `state` at `now`, of an identity whose configuration has `fault`, if any. Cheap: nothing is parsed.
OverviewRow row_of(const std::string& name, const std::optional<Error>& fault, const lifecycle::IdentityState& state,
                   TimePoint now);

/// The overview that these views, which are of one time, amount to.
Overview overview_of(const std::vector<IdentityView>& views);

/// Adds a CA's notice unless it is empty or there already.
void add_notice(Overview& overview, const std::string& notice);

/// A view as the first event of a stream. An expired certificate is the error identity_expired unless there is another;
/// after both comes the one of consumers that were told in vain.
IdentityEvent event_of(const IdentityView& view);

}  // namespace hwenroll::control
