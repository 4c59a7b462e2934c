#include "agent/cli/late_renewal.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

namespace hwenroll::cli {
namespace {

constexpr Seconds day{86'400};
constexpr Seconds usual_lifetime = 90 * day;

}  // namespace

std::string late_renewal(const config::IdentitySettings& identity, std::optional<Seconds> lifetime) {
    const auto* const percent = std::get_if<config::Percent>(&identity.renew_at);
    const Seconds whole = lifetime.value_or(usual_lifetime);
    const Seconds left =
        percent != nullptr ? whole * (100 - percent->value) / 100 : std::get<Seconds>(identity.renew_at);
    // A certificate of a few days cannot leave a day, but a tenth of its life.
    const Seconds least = lifetime ? std::min(day, *lifetime / 10) : day;
    if (left >= least) {
        return {};
    }
    return fmt::format("'renew_at' leaves {}{} for a renewal that fails and has to be repeated", to_words(left),
                       percent == nullptr ? ""
                       : lifetime         ? " of its certificate"
                                          : " of a certificate of 90 days");
}

}  // namespace hwenroll::cli
