// Dictionary attack protection (TPM 2.0 part 1 §19.8). Internal to keystore/tpm2.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "keystore/tpm2/connection.h"

namespace hwenroll::keystore::tpm2 {

/// How the TPM counts refused authorizations; never changed by us, and lockoutAuth is never touched (P3).
struct Lockout {
    std::uint32_t counter = 0;         ///< refused ones that are not forgotten yet
    std::uint32_t limit = 0;           ///< it locks itself out at so many
    std::chrono::seconds interval{0};  ///< after which it forgets one of them

    /// Longest time until it takes an authorization again; nothing if it does now, or never by itself.
    [[nodiscard]] std::optional<std::chrono::seconds> wait() const;

    /// `32 of 32 refused authorizations are counted, one is forgotten every 7200 s`.
    [[nodiscard]] std::string text() const;
};

/// What TPM2_GetCapability says now.
Outcome<Lockout> read_lockout(Connection& connection);

}  // namespace hwenroll::keystore::tpm2
