#include "agent/runtime/exchanged_token.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <string_view>

namespace hwenroll::runtime {

namespace {

using Attributes = std::map<std::string, std::string, std::less<>>;

std::string percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        unsigned octet = 0;
        const char* const digits = text.data() + at + 1;
        if (text[at] == '%' && text.size() - at > 2 &&
            std::from_chars(digits, digits + 2, octet, 16).ptr == digits + 2) {
            decoded.push_back(static_cast<char>(octet));
            at += 2;
        } else {
            decoded.push_back(text[at]);
        }
    }
    return decoded;
}

/// The path attributes of a token's URI (RFC 7512 §2.3), which has been checked before.
Attributes attributes_of(std::string_view uri) {
    Attributes attributes;
    uri.remove_prefix(std::min(uri.find(':') + 1, uri.size()));
    uri = uri.substr(0, uri.find('?'));
    while (!uri.empty()) {
        const std::string_view attribute = uri.substr(0, uri.find(';'));
        const std::size_t equals = std::min(attribute.find('='), attribute.size());
        attributes[std::string(attribute.substr(0, equals))] =
            percent_decoded(attribute.substr(std::min(equals + 1, attribute.size())));
        uri.remove_prefix(std::min(attribute.size() + 1, uri.size()));
    }
    return attributes;
}

std::string value(const Attributes& attributes, std::string_view name) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::string() : found->second;
}

bool same_device(const Attributes& one, const Attributes& other) {
    return value(one, "serial") == value(other, "serial") && value(one, "model") == value(other, "model");
}

/// The device has what the configuration names. What its URI does not tell, such as the module, counts as given.
bool matches(const Attributes& wanted, const Attributes& device) {
    return std::ranges::all_of(wanted, [&](const auto& attribute) {
        const auto found = device.find(attribute.first);
        return found == device.end() || found->second == attribute.second;
    });
}

std::string named(const Attributes& device) {
    return "serial '" + value(device, "serial") + "' (" + value(device, "model") + ")";
}

}  // namespace

std::optional<Error> exchanged_token(const config::TokenSettings& settings,
                                     const std::vector<store::LoginRecord>& section,
                                     const keystore::TokenDescription& present) {
    if (settings.type == config::TokenType::tpm2) {
        return std::nullopt;  // it refuses what it has not wrapped, and no login of it costs a try
    }
    const Attributes wanted = attributes_of(settings.uri);
    const Attributes now = attributes_of(present.uri);
    std::optional<Attributes> before;
    for (const store::LoginRecord& record : section) {
        if (!record.token_uri.starts_with("pkcs11:")) {
            continue;  // the section named a TPM then
        }
        Attributes device = attributes_of(record.token_uri);
        if (same_device(device, now)) {
            return std::nullopt;
        }
        // `begun` too: the intent of a use takes the place of the login that was accepted (ADR 0012).
        const bool used =
            record.outcome == store::LoginRecordOutcome::accepted || record.outcome == store::LoginRecordOutcome::begun;
        if (used && matches(wanted, device)) {
            before = std::move(device);
        }
    }
    if (!before) {
        return std::nullopt;
    }
    return Error(ErrorCode::token_exchanged, "token '" + settings.name + "' is another one than before",
                 "there is " + named(now) + " in place of " + named(*before) + "; its PIN was not tried",
                 "put the token with serial '" + value(*before, "serial") +
                     "' back, or 'hwenroll resume' to go on with the new one");
}

}  // namespace hwenroll::runtime
