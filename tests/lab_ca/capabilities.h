// What the CA announces by GetCACaps (RFC 8894 §3.5.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::lab_ca {

struct Capabilities {
    std::vector<std::string> keywords;

    /// AES, POSTPKIOperation, SCEPStandard and SHA-256.
    static Capabilities standard() { return {{"AES", "POSTPKIOperation", "SCEPStandard", "SHA-256"}}; }

    /// Without POST: AES and SHA-256.
    static Capabilities without_post() { return {{"AES", "SHA-256"}}; }

    /// From a list such as `AES,SHA-256`; blanks and empty parts are dropped.
    static Capabilities from_list(std::string_view list);

    /// Announced, by name or through SCEPStandard (CAPS-10).
    [[nodiscard]] bool has(std::string_view keyword) const;

    /// The body of the reply, a keyword a line.
    [[nodiscard]] std::string text() const;
};

}  // namespace hwenroll::lab_ca
