// Renewals that come so late that hardly any time is left to repeat one that fails (F11). Pure.
#pragma once

#include <optional>
#include <string>

#include "agent/config/configuration.h"

namespace hwenroll::cli {

/// What is wrong with `renew_at`; empty: nothing. `lifetime`: of the identity's certificate, if there is one; without
/// it a percentage is judged as of a certificate of 90 days.
std::string late_renewal(const config::IdentitySettings& identity, std::optional<Seconds> lifetime);

}  // namespace hwenroll::cli
