#include "keystore/login_rules.h"

#include <fmt/format.h>

namespace hwenroll::keystore {

namespace {

constexpr auto resume_advice = "not trying again until the PIN is corrected and 'hwenroll resume' is run";

}  // namespace

std::optional<Error> forbidden_by_flags(const std::string& name, const TokenDescription& token,
                                        const LoginHistory& history) {
    if (token.pin_locked) {
        return Error(ErrorCode::token_pin_locked, fmt::format("token '{}' has locked its PIN", name),
                     "CKF_USER_PIN_LOCKED");
    }
    if (token.pin_final_try) {
        return Error(ErrorCode::token_pin_low, fmt::format("no login to token '{}': one PIN try is left", name),
                     "CKF_USER_PIN_FINAL_TRY");
    }
    if (history.outcome_unknown && token.pin_count_low) {
        return Error(
            ErrorCode::token_pin_low,
            fmt::format("no login to token '{}': PIN tries are low and how the last login ended is unknown", name),
            "CKF_USER_PIN_COUNT_LOW");
    }
    return std::nullopt;
}

std::optional<Error> forbidden_by_refusal(const std::string& name, const std::optional<PinSourceIdentity>& source,
                                          const LoginHistory& history) {
    if (history.refused_unidentified) {
        return Error(ErrorCode::token_pin, fmt::format("token '{}' refused the PIN before", name), {}, resume_advice);
    }
    if (history.refused && history.refused == source) {
        return Error(ErrorCode::token_pin, fmt::format("token '{}' refused the PIN before", name),
                     "its file has not changed since");
    }
    return std::nullopt;
}

Error refusal(const std::string& name, ErrorCode code, const std::string& why, bool source_has_identity) {
    if (code == ErrorCode::token_pin_locked) {
        return Error(code, fmt::format("token '{}' has locked its PIN", name), why);
    }
    return Error(code, fmt::format("token '{}' refused the PIN", name), why, source_has_identity ? "" : resume_advice);
}

}  // namespace hwenroll::keystore
