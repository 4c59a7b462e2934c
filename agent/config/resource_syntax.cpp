// The part of value_syntax.h that is about where things are: secrets, paths, URLs, tokens.
#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "agent/config/refusal.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool has_blank_or_control(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c >= 0x7F; });
}

bool is_credential_name(std::string_view text) {
    return !text.empty() && text.size() <= 255 && text.front() != '.' && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '@';
    });
}

/// Every `%` is followed by two hexadecimal digits.
bool is_percent_encoded(std::string_view text) {
    for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
        if (i + 2 >= text.size() || std::isxdigit(static_cast<unsigned char>(text[i + 1])) == 0 ||
            std::isxdigit(static_cast<unsigned char>(text[i + 2])) == 0) {
            return false;
        }
    }
    return true;
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
bool is_authority(std::string_view text, bool port_required) {
    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    const std::size_t close = text.starts_with('[') ? text.find(']') : 0;
    if (close == std::string_view::npos) {
        return false;
    }
    if (const std::size_t colon = text.find(':', close); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    }
    const bool bracketed = close != 0;
    const bool host_good = bracketed ? host.size() == close + 1 && close > 2
                                     : !host.empty() && std::ranges::all_of(host, [](unsigned char c) {
                                           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
                                       });
    int value = 0;
    for (const char c : port) {
        if (std::isdigit(static_cast<unsigned char>(c)) == 0 || value > 65535) {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    return host_good && (has_port ? value >= 1 && value <= 65535 : !port_required);
}

/// What is wrong with one `name=value` of a token's URI; empty when nothing is. Never repeats the value.
std::string attribute_fault(std::string_view name) {
    constexpr std::array<std::string_view, 4> token{"token", "serial", "manufacturer", "model"};
    if (std::ranges::find(token, name) != token.end()) {
        return {};
    }
    if (name == "pin-value" || name == "pin-source") {
        return fmt::format("holds {}", name);
    }
    if (name.starts_with("slot-") || name.starts_with("library-") || name.starts_with("module-")) {
        return fmt::format("selects by {}, which changes when devices or modules do", name);
    }
    if (name == "object" || name == "id" || name == "type") {
        return fmt::format("names an object by {}; a token is wanted here", name);
    }
    return "holds an attribute that does not select a token";
}

}  // namespace

Result<Bytes> parse_fingerprint(std::string_view text) {
    std::string_view digits = text;
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos && colon > 2) {
        std::string algorithm(text.substr(0, colon));
        std::erase(algorithm, '-');
        std::ranges::transform(algorithm, algorithm.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        if (algorithm != "SHA256") {
            return refuse("is not a SHA-256 fingerprint",
                          "SHA-1 and MD5 are not accepted; ask the CA's operator for "
                          "the SHA-256 of the certificate");
        }
        digits.remove_prefix(colon + 1);
    }
    std::string packed(digits);
    std::ranges::replace(packed, '-', ':');
    auto octets = from_hex(packed);
    if (!octets) {
        return refuse("is no fingerprint", "write the 64 hexadecimal digits of the SHA-256, e.g. SHA256:6F:…");
    }
    if (octets->size() == 20 || octets->size() == 16) {
        return refuse(fmt::format("has the length of {}", octets->size() == 20 ? "SHA-1" : "MD5"),
                      "SHA-1 and MD5 are not accepted; ask the CA's operator for the SHA-256 of the certificate");
    }
    if (octets->size() != 32) {
        return refuse(fmt::format("has {} hexadecimal digits instead of the 64 of SHA-256", octets->size() * 2),
                      "copy the whole fingerprint");
    }
    return octets;
}

Result<SecretSource> parse_secret_source(std::string_view text) {
    using Kind = SecretSource::Kind;
    constexpr const char* advice =
        "write file:/path, credential:NAME or exec:/path; the secret itself does not belong "
        "in the configuration";
    const std::string_view location = text.substr(std::min(text.find(':') + 1, text.size()));
    if (text.starts_with("credential:")) {
        if (!is_credential_name(location)) {
            return refuse("has no name of a credential after 'credential:'", advice);
        }
        return SecretSource{Kind::credential, std::string(location)};
    }
    const bool is_file = text.starts_with("file:");
    if (!is_file && !text.starts_with("exec:")) {
        return refuse("does not say where to read the secret", advice);
    }
    const auto path = parse_path(location);
    if (!path) {
        return refuse(is_file ? "has no absolute path after 'file:'" : "has no absolute path after 'exec:'", advice);
    }
    return SecretSource{is_file ? Kind::file : Kind::command, path->string()};
}

Result<std::filesystem::path> parse_path(std::string_view text) {
    const std::filesystem::path path(text);
    if (!path.is_absolute() || has_control(text)) {
        return refuse("is no absolute path", "write a path that begins with /");
    }
    if (std::ranges::any_of(path, [](const auto& component) { return component == ".." || component == "."; })) {
        return refuse("holds '.' or '..' as a component", "write the path without them");
    }
    return path.has_filename() ? path : path.parent_path();
}

Result<std::string> parse_url(std::string_view text) {
    constexpr const char* advice = "write a full URL as in http://ca.example.com/scep";
    const std::size_t colon = text.find("://");
    std::string scheme(colon == std::string_view::npos ? std::string_view() : text.substr(0, colon));
    std::ranges::transform(scheme, scheme.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if ((scheme != "http" && scheme != "https") || has_blank_or_control(text)) {
        return refuse("is no http: or https: URL", advice);
    }
    const std::string_view rest = text.substr(scheme.size() + 3);
    const std::string_view authority = rest.substr(0, std::min(rest.find_first_of("/?#"), rest.size()));
    if (authority.find('@') != std::string_view::npos) {
        return refuse("holds a user name or password", "take it out: the configuration is no place for secrets");
    }
    if (!is_authority(authority, false)) {
        return refuse("has no acceptable host and port", advice);
    }
    if (rest.find('#') != std::string_view::npos) {
        return refuse("ends in a fragment ('#…'), which is never sent", "remove it");
    }
    return std::string(text);
}

std::string without_operation(std::string_view url) {
    const std::size_t mark = std::min(url.find('?'), url.size());
    std::string out(url.substr(0, mark));
    std::string_view query = url.substr(std::min(mark + 1, url.size()));
    char separator = '?';
    while (!query.empty()) {
        const std::string_view field = query.substr(0, std::min(query.find('&'), query.size()));
        query.remove_prefix(std::min(field.size() + 1, query.size()));
        std::string key(field.substr(0, field.find('=')));
        std::ranges::transform(key, key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (key != "operation" && key != "message") {
            (out += std::exchange(separator, '&')) += field;
        }
    }
    return out;
}

Result<std::string> parse_scep_url(std::string_view text) {
    auto url = parse_url(text);
    std::string lower = url.value_or(std::string());
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower.find("?operation=") != std::string::npos || lower.find("&operation=") != std::string::npos) {
        return refuse("names one operation of SCEP, and each request adds its own", "write " + without_operation(text));
    }
    return url;
}

Result<std::string> parse_token_uri(std::string_view text) {
    constexpr const char* advice =
        "write it as in pkcs11:token=lab or pkcs11:serial=0123456789; 'hwenroll token list' "
        "shows the tokens, the PIN goes into 'pin'";
    constexpr std::string_view scheme = "pkcs11:";
    if (!text.starts_with(scheme) || has_blank_or_control(text) || !is_percent_encoded(text)) {
        return refuse("is no pkcs11: URI (RFC 7512)", advice);
    }
    std::string_view rest = text.substr(scheme.size());
    bool selects = false;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find_first_of(";?&"), rest.size());
        const std::string_view attribute = rest.substr(0, end);
        const std::size_t equals = attribute.find('=');
        if (equals == std::string_view::npos) {
            return refuse("has a part without '='", advice);
        }
        if (const std::string fault = attribute_fault(attribute.substr(0, equals)); !fault.empty()) {
            return refuse(fault, advice);
        }
        selects = selects || equals + 1 < attribute.size();
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!selects) {
        return refuse("matches every token", advice);
    }
    return std::string(text);
}

Result<std::string> parse_host_port(std::string_view text) {
    if (!is_authority(text, true)) {
        return refuse("is no HOST:PORT", "write it as in 127.0.0.1:443 or [::1]:443");
    }
    return std::string(text);
}

Result<std::string> parse_bind(std::string_view text) {
    // An interface name is shorter than IFNAMSIZ (16) and holds neither '/' nor blanks; an address is longer but has
    // only hexadecimal digits, dots and colons.
    const bool is_interface =
        !text.empty() && text.size() < 16 && !has_blank_or_control(text) && text.find('/') == std::string_view::npos;
    const bool is_address =
        !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF.:") == std::string_view::npos;
    if (!is_interface && !is_address) {
        return refuse("is neither an address nor the name of an interface");
    }
    return std::string(text);
}

}  // namespace hwenroll::config
