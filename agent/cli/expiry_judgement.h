// How `hwenroll check` judges identities, and the line that it prints: a monitoring plugin's (Nagios, Icinga and others
// that take the same exit codes and performance data). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/control/service.h"

namespace hwenroll::cli {

/// The exit code is its number. The worst of several: critical, then unknown, warning and ok.
enum class CheckLevel : std::uint8_t { ok = 0, warning = 1, critical = 2, unknown = 3 };

/// `OK`, `WARNING`, `CRITICAL`, `UNKNOWN`.
std::string to_text(CheckLevel level);

/// How much of a certificate's life has to be left. What is not set is 14 days for a warning and 7 days for critical,
/// and at most three quarters and three eighths of what is left of it when its renewal begins: whatever its lifetime,
/// a certificate that is renewed in time gives no alarm.
struct CheckThresholds {
    std::optional<config::LifetimeSpan> warning;
    std::optional<config::LifetimeSpan> critical;
};

/// Of one identity.
struct CheckJudgement {
    std::string identity;
    CheckLevel level = CheckLevel::ok;
    std::vector<std::string> reasons;  ///< worst first; of an identity that is well, one: what is left
    std::optional<Seconds> left;       ///< of the published certificate's life, negative once it is over
    Seconds warning{};                 ///< the thresholds that it was judged by
    Seconds critical{};
};

/// `view` tells the time as well. `renew_at` of the view may be missing.
CheckJudgement judge(const control::IdentityView& view, const CheckThresholds& thresholds);

/// `silent`: it listens and does not answer.
enum class AgentPresence : std::uint8_t { runs, absent, silent };

/// The level of all of them; anything but an agent that runs, or that need not, is a warning.
CheckLevel overall(const std::vector<CheckJudgement>& judgements, AgentPresence agent);

/// `HWENROLL OK - 3 identities, web expires first, in 89 d | 'web'=…`. One line without a newline.
std::string check_line(const std::vector<CheckJudgement>& judgements, AgentPresence agent);

}  // namespace hwenroll::cli
