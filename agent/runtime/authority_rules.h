// What a [ca.*] section and [limits] say, as the layers below take it.
#pragma once

#include "agent/config/configuration.h"
#include "agent/lifecycle/step.h"
#include "transport/http/exchange.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::runtime {

scep::ParseLimits parse_limits(const config::LimitSettings& limits, bool clock_trusted);

/// Which certificates of the CA count as its RAs.
scep::RaRule ra_rule(const config::AuthoritySettings& settings);

/// `switch_at`, as the machines know it.
lifecycle::SwitchRule switch_rule(config::SwitchAt rule);

/// What `legacy` permits at `now`: nothing any more once legacy_until has passed.
scep::LegacyPermissions permissions_of(const config::LegacySettings& legacy, TimePoint now, bool clock_trusted);

/// HTTP's view of the limits.
http::Limits http_limits(const config::LimitSettings& limits, std::size_t max_body);

}  // namespace hwenroll::runtime
