// The part of value_syntax.h that is about what a certificate says: alternative names and usages.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "agent/config/refusal.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

bool is_printable_ascii(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

/// RFC 1034 labels with `_` allowed and `*` as the whole first label; A-labels only.
bool is_dns_name(std::string_view text) {
    if (text.empty() || text.size() > 253) {
        return false;
    }
    if (text.starts_with("*.")) {
        text.remove_prefix(2);
    }
    while (true) {
        const std::size_t dot = std::min(text.find('.'), text.size());
        const std::string_view label = text.substr(0, dot);
        const bool good = !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
                          std::ranges::all_of(label, [](unsigned char c) {
                              return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_');
                          });
        if (!good) {
            return false;
        }
        if (dot == text.size()) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

bool is_address(std::string_view text) {
    std::array<std::uint8_t, 16> octets{};
    const std::string terminated(text);
    return inet_pton(AF_INET, terminated.c_str(), octets.data()) == 1 ||
           inet_pton(AF_INET6, terminated.c_str(), octets.data()) == 1;
}

bool has_both_sides_of_at(std::string_view text) {
    const std::size_t at = text.rfind('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           std::ranges::none_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7F; });
}

bool is_uri(std::string_view text) {
    const std::size_t colon = text.find(':');
    return is_printable_ascii(text) && colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() &&
           std::isalpha(static_cast<unsigned char>(text.front())) != 0;
}

bool is_email(std::string_view text) {
    return is_printable_ascii(text) && has_both_sides_of_at(text);
}

struct AltNameKind {
    std::string_view name;
    bool (*accepts)(std::string_view);
    std::string_view example;
};

constexpr std::array<AltNameKind, 5> alt_name_kinds{{{"dns", is_dns_name, "dns:web01.example.com"},
                                                     {"ip", is_address, "ip:192.0.2.1"},
                                                     {"email", is_email, "email:ops@example.com"},
                                                     {"uri", is_uri, "uri:urn:example:web01"},
                                                     {"upn", has_both_sides_of_at, "upn:web01@example.com"}}};

bool is_dotted_oid(std::string_view text) {
    std::size_t arcs = 0;
    while (true) {
        const std::size_t dot = std::min(text.find('.'), text.size());
        const std::string_view arc = text.substr(0, dot);
        if (arc.empty() || arc.size() > 10 || arc.find_first_not_of("0123456789") != std::string_view::npos ||
            (arc.size() > 1 && arc.front() == '0')) {
            return false;
        }
        if (++arcs == 1 && (arc.size() > 1 || arc > "2")) {
            return false;
        }
        if (dot == text.size()) {
            return arcs >= 3;
        }
        text.remove_prefix(dot + 1);
    }
}

}  // namespace

Result<std::string> parse_alt_name(std::string_view text) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    std::string kind(text.substr(0, colon));
    std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto* const known = std::find_if(alt_name_kinds.begin(), alt_name_kinds.end(),
                                           [&](const AltNameKind& candidate) { return candidate.name == kind; });
    if (known == alt_name_kinds.end() || colon == text.size()) {
        return refuse(fmt::format("has the name '{}' without a known kind", text),
                      "put dns:, ip:, email:, uri: or upn: in front");
    }
    const std::string_view value = text.substr(colon + 1);
    if (!known->accepts(value)) {
        return refuse(fmt::format("has the name '{}', which is not of its kind", text),
                      fmt::format("write it as in {}", known->example));
    }
    return fmt::format("{}:{}", kind, value);
}

Result<std::string> parse_key_usage(std::string_view text) {
    constexpr std::array<std::string_view, 5> accepted{"digitalSignature", "nonRepudiation", "keyEncipherment",
                                                       "dataEncipherment", "keyAgreement"};
    if (text == "contentCommitment") {
        return std::string("nonRepudiation");  // X.509 renamed the bit, RFC 5280 §4.2.1.3
    }
    if (text == "keyCertSign" || text == "cRLSign") {
        return refuse(fmt::format("asks for '{}', which is for CAs", text), "an identity is never a CA");
    }
    if (std::ranges::find(accepted, text) == accepted.end()) {
        return refuse(fmt::format("does not know the usage '{}'", text),
                      "use digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment or keyAgreement");
    }
    return std::string(text);
}

Result<std::string> parse_extended_key_usage(std::string_view text) {
    constexpr std::array<std::string_view, 6> accepted{"serverAuth",      "clientAuth",   "codeSigning",
                                                       "emailProtection", "timeStamping", "OCSPSigning"};
    if (std::ranges::find(accepted, text) == accepted.end() && !is_dotted_oid(text)) {
        return refuse(fmt::format("does not know the usage '{}'", text),
                      "use serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning or a dotted "
                      "OID");
    }
    return std::string(text);
}

}  // namespace hwenroll::config
