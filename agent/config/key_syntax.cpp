// The part of value_syntax.h that is about keys and TPMs.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "agent/config/refusal.h"
#include "agent/config/suggestion.h"
#include "agent/config/value_syntax.h"
#include "agent/config/words.h"

namespace hwenroll::config {
namespace {

constexpr std::string_view existing = "existing:";
constexpr std::string_view existing_pkcs11 = "existing:pkcs11:";
constexpr std::string_view existing_handle = "existing:handle:";
constexpr const char* existing_advice =
    "write it as in existing:pkcs11:id=%9a or existing:pkcs11:object=web; 'hwenroll token keys' shows ids and labels";

/// RFC 3986 §2.1; nothing when a `%` is not followed by two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        std::uint8_t octet = 0;
        const char* const digits = text.data() + i + 1;
        if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, octet, 16).ptr != digits + 2) {
            return std::nullopt;
        }
        out += static_cast<char>(octet);
        i += 2;
    }
    return out;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x80 && (std::isalnum(octet) != 0 || c == '-' || c == '.' || c == '_' || c == '~')) {
            out += c;
        } else {
            out += fmt::format("%{:02x}", octet);
        }
    }
    return out;
}

/// One `name=value` of the URI. An empty text: it was taken.
std::string take_attribute(std::string_view name, std::string value, ExistingKey& key) {
    if (name == "id") {
        if (value.empty() || value.size() > 64) {
            return "has an 'id' that is not of 1 to 64 octets";
        }
        key.id = Bytes(value.begin(), value.end());
        return {};
    }
    if (name == "object") {
        if (value.empty() || value.size() > 255) {
            return "has an 'object' that is not of 1 to 255 octets";
        }
        key.label = std::move(value);
        return {};
    }
    if (name == "type") {
        return value == "private" ? std::string() : "names an object that is no private key by 'type'";
    }
    if (name == "pin-value" || name == "pin-source") {
        return fmt::format("holds {}, which belongs into the 'pin' of the token", name);
    }
    return fmt::format("holds '{}'; the token is named by 'token', the key by id= and object= alone", printable(name));
}

Result<KeyChoice> parse_pkcs11_key(std::string_view text) {
    std::string_view rest = text.substr(existing_pkcs11.size());
    ExistingKey key;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find_first_of(";?&"), rest.size());
        const std::string_view attribute = rest.substr(0, end);
        const std::size_t equals = attribute.find('=');
        auto value = equals == std::string_view::npos ? std::nullopt : percent_decoded(attribute.substr(equals + 1));
        if (!value) {
            return refuse("is no pkcs11: URI (RFC 7512) after 'existing:'", existing_advice);
        }
        if (std::string fault = take_attribute(attribute.substr(0, equals), *std::move(value), key); !fault.empty()) {
            return refuse(std::move(fault), existing_advice);
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (key.id.empty() && key.label.empty()) {
        return refuse("names no key", existing_advice);
    }
    return KeyChoice(std::move(key));
}

/// `0x` and eight hexadecimal digits at most, within the persistent handles (TPM 2.0 part 2 §7.2).
std::optional<std::uint32_t> persistent_handle(std::string_view text) {
    std::uint32_t handle = 0;
    if (!text.starts_with("0x") && !text.starts_with("0X")) {
        return std::nullopt;
    }
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 2, end, handle, 16);
    if (error != std::errc() || stop != end || handle < 0x81000000U || handle > 0x81FFFFFFU) {
        return std::nullopt;
    }
    return handle;
}

}  // namespace

Result<KeyChoice> parse_key(std::string_view text) {
    constexpr const char* known =
        "use \"rsa:2048\", \"rsa:3072\", \"rsa:4096\", \"ec:p256\", \"ec:p384\", \"existing:pkcs11:id=…\" or "
        "\"existing:handle:0x…\"";
    if (text.starts_with(existing_pkcs11)) {
        return parse_pkcs11_key(text);
    }
    if (text.starts_with(existing_handle)) {
        const auto handle = persistent_handle(text.substr(existing_handle.size()));
        if (!handle) {
            return refuse("names no persistent handle of a TPM",
                          "write one from 0x81000000 to 0x81ffffff, as in existing:handle:0x81010001");
        }
        return KeyChoice(PersistentHandle{*handle});
    }
    std::vector<std::string> words{std::string(existing_pkcs11), std::string(existing_handle)};
    for (const auto& [word, type] : key_types) {
        if (word == text) {
            return KeyChoice(type);
        }
        words.emplace_back(word);
    }
    const std::string_view stem =
        text.starts_with(existing) ? text.substr(0, text.find(':', existing.size()) + 1) : text;
    const std::string near = nearest(stem, words);
    return refuse(fmt::format("does not know \"{}\"", printable(text, 64)),
                  near.empty() ? known : fmt::format("did you mean \"{}\"? {}", near, known));
}

bool is_ec(const KeyChoice& key) {
    const auto* const type = std::get_if<KeyType>(&key);
    return type != nullptr && (*type == KeyType::ec_p256 || *type == KeyType::ec_p384);
}

EnvelopeMode envelope_for(const KeyChoice& key, EnvelopeMode configured) {
    return is_ec(key) ? configured : EnvelopeMode::automatic;
}

std::string to_text(const KeyChoice& key) {
    if (const auto* const type = std::get_if<KeyType>(&key)) {
        return std::string(word_of(key_types, *type));
    }
    if (const auto* const handle = std::get_if<PersistentHandle>(&key)) {
        return fmt::format("{}0x{:08x}", existing_handle, handle->value);
    }
    const auto& named = std::get<ExistingKey>(key);
    std::string text(existing_pkcs11);
    for (const std::uint8_t octet : named.id) {
        text += (text.size() == existing_pkcs11.size() ? "id=" : "") + fmt::format("%{:02x}", octet);
    }
    if (!named.label.empty()) {
        text += (named.id.empty() ? "" : ";") + ("object=" + percent_encoded(named.label));
    }
    return text;
}

Result<std::string> parse_tcti(std::string_view text) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view name = text.substr(0, colon);
    const bool named = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    });
    const bool printed = std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
    if (!named || !printed || text.size() > 255) {
        return refuse("is no TCTI", "write it as in device:/dev/tpmrm0, swtpm:host=127.0.0.1,port=2321 or tabrmd");
    }
    if (name == "device" && colon < text.size() && !parse_path(text.substr(colon + 1))) {
        return refuse("names no absolute path of a device", "write it as in device:/dev/tpmrm0");
    }
    return std::string(text);
}

Result<TpmStorage> parse_tpm_storage(std::string_view text) {
    constexpr std::string_view persistent = "persistent:";
    constexpr const char* advice = "use \"blob\" or \"persistent:0x81000010-0x8100001f\"";
    if (text == "blob") {
        return TpmStorage{};
    }
    if (!text.starts_with(persistent)) {
        return refuse("is neither blobs nor a range of persistent handles", advice);
    }
    text.remove_prefix(persistent.size());
    const std::size_t dash = std::min(text.find('-'), text.size());
    const auto first = persistent_handle(text.substr(0, dash));
    const auto last = dash == text.size() ? first : persistent_handle(text.substr(dash + 1));
    if (!first || !last || *last < *first) {
        return refuse("names no range of persistent handles from 0x81000000 to 0x81ffffff", advice);
    }
    return TpmStorage{*first, *last};
}

}  // namespace hwenroll::config
