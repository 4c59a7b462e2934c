// The CA over time: one root after the other (rollover, RFC 8894 §4.7; SRV-10).
#pragma once

#include <deque>
#include <optional>

#include "tests/lab_ca/authority.h"

namespace hwenroll::lab_ca {

/// From when on the lifetime of a next CA counts.
enum class NextCaLifetime {
    from_switch,      ///< the end of its predecessor
    from_appearance,  ///< its own notBefore
};

struct RolloverPolicy {
    Seconds lifetime = std::chrono::days(3650);  ///< of every generation
    Seconds backdate{60};                        ///< of the first
    std::optional<Seconds> auto_rollover;  ///< how long before the end of a CA the next one appears; absent: never
    NextCaLifetime next_lifetime = NextCaLifetime::from_switch;
    std::string next_subject{};  ///< empty: the same
    Seconds switch_early{0};     ///< how long before its end a CA gives way (ROLL-17)
    bool ec_key = false;         ///< AuthorityTerms::ec_key of every generation
};

/// How the first generation differs from an RSA root.
struct FirstAuthority {
    bool ec_key = false;
    const SigningIdentity* issuer = nullptr;  ///< borrowed while it is made
};

/// All generations, in DIR as Authority keeps them: the first is `ca`, the others `ca-2`, `ca-3`, … Which of them
/// counts follows from the certificates and the time alone, so a restart or a jump of the clock changes nothing. A next
/// CA begins exactly when it was due, whether or not anything was asked of this CA at that time. Movable; used by one
/// thread.
class Generations {
 public:
    /// Loads the generations, or makes the first. Error codes: input_file, crypto, config_value.
    static Result<Generations> open(std::filesystem::path directory, RolloverPolicy policy, TimePoint now,
                                    const FirstAuthority& first = {});

    /// Makes those that are due at `now`, at most 32 at a time. Error codes: input_file, crypto.
    Status advance(TimePoint now);

    /// Number of the generation that issues at `now`, from 1.
    [[nodiscard]] std::size_t current(TimePoint now) const;

    /// Number of the one that has appeared and will follow it.
    [[nodiscard]] std::optional<std::size_t> next(TimePoint now) const;

    /// When generation `number` becomes, or became, the current one.
    [[nodiscard]] TimePoint begins(std::size_t number) const;

    [[nodiscard]] Authority& at(std::size_t number) { return generations_[number - 1]; }
    [[nodiscard]] const Authority& at(std::size_t number) const { return generations_[number - 1]; }

    /// Of every generation, oldest first.
    [[nodiscard]] std::vector<Certificate> certificates() const;

 private:
    Generations(std::filesystem::path directory, RolloverPolicy policy)
        : directory_(std::move(directory)), policy_(std::move(policy)) {}

    Status add(const AuthorityTerms& terms);

    std::filesystem::path directory_;
    RolloverPolicy policy_;
    std::deque<Authority> generations_;
};

}  // namespace hwenroll::lab_ca
