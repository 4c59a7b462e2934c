#include "agent/runtime/rejection.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace hwenroll::runtime {
namespace {

using scep::FailInfo;

/// The most of a failInfoText that still leaves the advice in sight.
constexpr std::size_t shown_text = 256;

/// Words by which servers name a reason, and what to do about it.
struct Reason {
    std::array<std::string_view, 5> words;  ///< lower case, the unused ones empty
    std::string_view advice;
};

// The first that matches counts: a text about a challenge may speak of attributes as well, never the other way round.
constexpr std::array reasons{
    Reason{
        {"challenge", "password"},
        "check the challenge: it may be wrong, used up or expired; a new one in its source is tried at the next run"},
    Reason{{"key size", "key length", "keysize", "minimum size", "bits"},
           "the CA wants a key of another size: set 'key', for instance to \"rsa:3072\""},
    Reason{{"signer", "trusted", "self-signed", "selfsigned"},
           "the CA does not accept who signed the request: have it accept self-signed certificates for first requests, "
           "or register this subject there"},
    Reason{
        {"attribute", "extension", "subjectalt", "alternative name", "usage"},
        "the CA does not issue what was asked for: have it allowed there, or change 'subject', 'san', 'key_usage' or "
        "'extended_key_usage'"},
};

/// The advice for badRequest and for no failInfo at all; empty: the error table's.
std::string_view advice_by_text(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const Reason& reason : reasons) {
        for (const std::string_view word : reason.words) {
            if (!word.empty() && lower.find(word) != std::string::npos) {
                return reason.advice;
            }
        }
    }
    return {};
}

/// K6: which of the two clocks is wrong is for people to find out. The Date header comes from the CA's web server, and
/// may be as much as the exchange took behind.
std::string clock_advice(const std::optional<TimePoint>& date, TimePoint now) {
    constexpr Seconds same{60};
    if (!date) {
        return fmt::format("compare the CA's clock with this machine's, which showed {}", to_iso8601(now));
    }
    const Seconds ahead = now - *date;
    const std::string clocks =
        fmt::format("this machine's clock showed {}, the CA's web server {}", to_iso8601(now), to_iso8601(*date));
    if (std::chrono::abs(ahead) < same) {
        return clocks + ": they agree, look at the clock and the time zone of the CA itself";
    }
    return fmt::format("{}: this machine is {} {}, correct the clock that is wrong", clocks,
                       to_words(std::chrono::abs(ahead)), ahead > Seconds(0) ? "ahead" : "behind");
}

std::string advice(const Refusal& refusal, TimePoint now) {
    switch (refusal.fail_info.value_or(FailInfo::bad_request)) {
        case FailInfo::bad_alg:
            return "the CA does not support an algorithm of the request: 'hwenroll ca show' prints what it announces; "
                   "'key' may be of a type that it does not know";
        case FailInfo::bad_message_check:
            return "the CA could not verify or open the request: 'hwenroll ca show' tells whether its certificates "
                   "changed, its log tells which signature or key it did not accept";
        case FailInfo::bad_time:
            return clock_advice(refusal.date, now);
        case FailInfo::bad_cert_id:
            return "the CA does not know the transaction: ask its operator what became of it, and to revoke a "
                   "certificate that nobody received";
        case FailInfo::bad_request:
            break;
    }
    return std::string(advice_by_text(refusal.text));
}

}  // namespace

Error rejection(const Refusal& refusal, TimePoint now) {
    std::string why = refusal.fail_info ? std::string(scep::to_text(*refusal.fail_info)) : "no failInfo";
    if (refusal.hresult) {
        why += fmt::format(", HRESULT {:#010x}", static_cast<std::uint32_t>(*refusal.hresult));
    }
    if (!refusal.text.empty()) {
        why += ": " + printable(refusal.text, shown_text);
    }
    return Error(ErrorCode::ca_rejected, "the CA answered FAILURE", std::move(why), advice(refusal, now));
}

}  // namespace hwenroll::runtime
