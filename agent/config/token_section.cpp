// [token.*].
#include <chrono>

#include <fmt/format.h>

#include "agent/config/sections.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

void read_deadlines(SectionReader& reader, TokenSettings& token) {
    reader.read_duration<milliseconds>("deadline_login", token.deadline_login, parse_duration, milliseconds(100),
                                       minutes(10));
    reader.read_duration<milliseconds>("deadline_use", token.deadline_use, parse_duration, milliseconds(100), hours(1));
    reader.read_duration<milliseconds>("deadline_generate", token.deadline_generate, parse_duration, milliseconds(100),
                                       hours(4));
}

void read_pkcs11(SectionReader& reader, TokenSettings& token) {
    if (reader.required_text("module", "\"/usr/lib/softhsm/libsofthsm2.so\"") != nullptr) {
        reader.read("module", token.module, parse_path);
    }
    if (reader.required_text("uri", "\"pkcs11:token=LABEL\"") != nullptr) {
        reader.read("uri", token.uri, parse_token_uri);
    }
    reader.read("pin", token.pin, parse_secret_source);
}

void read_tpm2(SectionReader& reader, TokenSettings& token) {
    if (reader.required_text("tcti", "\"device:/dev/tpmrm0\"") != nullptr) {
        reader.read("tcti", token.tcti, parse_tcti);
    }
    reader.read("auth", token.auth, parse_secret_source);
    reader.read("storage", token.storage, parse_tpm_storage);
}

/// A key of the other type is a mistake of its own, not a misspelled key.
template <std::size_t count>
void refuse_keys_of(SectionReader& reader, TokenType other, const std::array<std::string_view, count>& keys) {
    for (const std::string_view key : keys) {
        if (reader.find(key) != nullptr) {
            reader.report(key, ErrorCode::config_key,
                          fmt::format("is a key of tokens of type \"{}\"", word_of(token_types, other)), {},
                          "remove the key or change 'type'");
        }
    }
}

}  // namespace

std::string pin_text(const TokenSettings& token) {
    const auto& source = token.type == TokenType::tpm2 ? token.auth : token.pin;
    return source ? source->text() : std::string();
}

std::optional<TokenSettings> read_token(SectionReader& reader, std::string_view name) {
    constexpr std::array<std::string_view, 3> pkcs11_keys{"module", "uri", "pin"};
    constexpr std::array<std::string_view, 3> tpm2_keys{"tcti", "auth", "storage"};
    TokenSettings token;
    token.name = name;
    std::optional<TokenType> type;
    if (const std::string* const written = reader.required_text("type", "\"pkcs11\"")) {
        reader.read_choice("type", token.type, token_types);
        if (*written == word_of(token_types, token.type)) {
            type = token.type;
        }
    }
    read_deadlines(reader, token);
    reader.read_flag("network", token.network);
    if (type == TokenType::pkcs11) {
        read_pkcs11(reader, token);
        refuse_keys_of(reader, TokenType::tpm2, tpm2_keys);
    } else if (type == TokenType::tpm2) {
        read_tpm2(reader, token);
        refuse_keys_of(reader, TokenType::pkcs11, pkcs11_keys);
    } else {
        // Without a type the rest cannot be judged; its keys are no further faults.
        for (const std::string_view key : {"module", "uri", "pin", "tcti", "auth", "storage"}) {
            reader.accept(key);
        }
    }
    return reader.finish() ? std::optional(token) : std::nullopt;
}

}  // namespace hwenroll::config
