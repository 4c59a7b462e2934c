#include "keystore/worker/message_parts.h"

#include <algorithm>
#include <utility>

#include "keystore/key_id_limit.h"

namespace hwenroll::keystore {
namespace {

/// Longest SubjectPublicKeyInfo, in octets.
constexpr std::size_t max_spki = std::size_t{16} * 1024;

/// Longest part of a KeyEvidence, in octets: certificates of endorsement keys have some 1,500.
constexpr std::size_t max_evidence_part = std::size_t{16} * 1024;

/// The numbers travel between processes and are never reused.
enum class TokenType : std::uint8_t { pkcs11 = 1, tpm2 = 2 };

TokenType type_of(const TokenOptions& options) {
    return std::holds_alternative<Tpm2Options>(options) ? TokenType::tpm2 : TokenType::pkcs11;
}

TokenDeadlines read_deadlines(OctetReader& in) {
    TokenDeadlines deadlines;
    deadlines.login = read_duration(in);
    deadlines.use = read_duration(in);
    deadlines.generate = read_duration(in);
    return deadlines;
}

}  // namespace

void write(OctetWriter& out, std::chrono::milliseconds duration) {
    out.u32(static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, UINT32_MAX)));
}

void write(OctetWriter& out, const TokenOptions& options) {
    out.u8(static_cast<std::uint8_t>(type_of(options)));
    if (const auto* pkcs11 = std::get_if<Pkcs11Options>(&options)) {
        for (const auto* text : {&pkcs11->name, &pkcs11->module, &pkcs11->uri, &pkcs11->pin}) {
            out.text(*text);
        }
    } else if (const auto* tpm2 = std::get_if<Tpm2Options>(&options)) {
        for (const auto* text : {&tpm2->name, &tpm2->tcti, &tpm2->auth}) {
            out.text(*text);
        }
        out.u32(tpm2->first_handle);
        out.u32(tpm2->last_handle);
    }
    const TokenDeadlines& deadlines = deadlines_of(options);
    write(out, deadlines.login);
    write(out, deadlines.use);
    write(out, deadlines.generate);
    out.flag(std::visit([](const auto& each) { return each.network; }, options));
}

void write(OctetWriter& out, const std::optional<PinSourceIdentity>& identity) {
    out.flag(identity.has_value());
    if (identity) {
        out.u64(identity->device);
        out.u64(identity->inode);
        out.u64(identity->size);
        out.u64(static_cast<std::uint64_t>(identity->modified_ns));
        out.u64(static_cast<std::uint64_t>(identity->changed_ns));
    }
}

void write(OctetWriter& out, const Error& error) {
    const auto cut = [&out](std::string_view text) { out.text(text.substr(0, max_text)); };
    out.text(error.info().name);
    cut(error.subject());
    cut(error.what());
    cut(error.why());
    cut(error.next() == error.info().next ? std::string_view() : error.next());
    out.flag(error.retry_after().has_value());
    if (error.retry_after()) {
        out.u32(static_cast<std::uint32_t>(std::clamp<std::int64_t>(error.retry_after()->count(), 0, UINT32_MAX)));
    }
}

void write(OctetWriter& out, const LoginOutcome& outcome) {
    out.u8(static_cast<std::uint8_t>(outcome.result));
    write(out, outcome.source);
    out.flag(outcome.error.has_value());
    if (outcome.error) {
        write(out, *outcome.error);
    }
}

void write(OctetWriter& out, const LoginPreparation& preparation) {
    write(out, preparation.source);
    write(out, preparation.token);
}

void write(OctetWriter& out, const PublicKey& key) {
    out.octets(key.spki());
}

void write(OctetWriter& out, const KeyReference& key) {
    out.octets(key.id.value);
    write(out, key.public_key);
    out.text(key.pem);
}

void write(OctetWriter& out, const TokenDescription& token) {
    for (const auto* text : {&token.label, &token.manufacturer, &token.model, &token.serial, &token.uri}) {
        out.text(*text);
    }
    for (const bool flag :
         {token.login_required, token.initialized, token.pin_count_low, token.pin_final_try, token.pin_locked}) {
        out.flag(flag);
    }
    out.u32(static_cast<std::uint32_t>(token.mechanisms.size()));
    for (const std::uint64_t mechanism : token.mechanisms) {
        out.u64(mechanism);
    }
    out.flag(token.free_octets.has_value());
    if (token.free_octets) {
        out.u64(*token.free_octets);
    }
}

void write(OctetWriter& out, const KeyEvidence& evidence) {
    for (const Bytes* part : {&evidence.certify_info, &evidence.signature, &evidence.key_public,
                              &evidence.attestation_public, &evidence.attestation_key, &evidence.ek_certificate}) {
        out.octets(*part);
    }
}

void write(OctetWriter& out, const KeyDescription& key) {
    write(out, key.key);
    out.text(key.label);
    out.text(key.uri);
    const KeyProtection& is = key.protection;
    for (const bool flag : {is.sensitive, is.extractable, is.always_sensitive, is.never_extractable, is.local,
                            key.can_sign, key.can_decrypt, key.can_derive}) {
        out.flag(flag);
    }
}

KeyId read_id(OctetReader& in) {
    return {to_bytes(in.octets(max_key_id_size))};
}

std::chrono::milliseconds read_duration(OctetReader& in) {
    return std::chrono::milliseconds(in.u32());
}

TokenOptions read_options(OctetReader& in) {
    if (read_enum(in, TokenType::tpm2) == TokenType::tpm2) {
        Tpm2Options tpm2;
        for (auto* text : {&tpm2.name, &tpm2.tcti, &tpm2.auth}) {
            *text = in.text(max_text);
        }
        tpm2.first_handle = in.u32();
        tpm2.last_handle = in.u32();
        tpm2.deadlines = read_deadlines(in);
        tpm2.network = in.flag();
        return tpm2;
    }
    Pkcs11Options pkcs11;
    for (auto* text : {&pkcs11.name, &pkcs11.module, &pkcs11.uri, &pkcs11.pin}) {
        *text = in.text(max_text);
    }
    pkcs11.deadlines = read_deadlines(in);
    pkcs11.network = in.flag();
    return pkcs11;
}

std::optional<PinSourceIdentity> read_identity(OctetReader& in) {
    if (!in.flag()) {
        return std::nullopt;
    }
    PinSourceIdentity identity;
    identity.device = in.u64();
    identity.inode = in.u64();
    identity.size = in.u64();
    identity.modified_ns = static_cast<std::int64_t>(in.u64());
    identity.changed_ns = static_cast<std::int64_t>(in.u64());
    return identity;
}

Error read_error(OctetReader& in) {
    const std::string name = in.text(max_text);
    std::string subject = in.text(max_text);
    std::string what = in.text(max_text);
    std::string why = in.text(max_text);
    std::string next = in.text(max_text);
    std::optional<std::chrono::seconds> retry_after;
    if (in.flag()) {
        retry_after = std::chrono::seconds(in.u32());
    }
    const auto rows = error_table();
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&name](const ErrorInfo& info) { return info.name == name; });
    if (row == rows.end()) {
        in.fail();
        return Error(ErrorCode::token_protocol, {});
    }
    return Error(row->code, std::move(what), std::move(why), std::move(next))
        .about(std::move(subject))
        .retry_after(retry_after);
}

LoginOutcome read_outcome(OctetReader& in) {
    LoginOutcome outcome;
    outcome.result = read_enum(in, LoginOutcome::Result::unknown);
    outcome.source = read_identity(in);
    if (in.flag()) {
        outcome.error = read_error(in);
    }
    return outcome;
}

KeyEvidence read_evidence(OctetReader& in) {
    KeyEvidence evidence;
    for (Bytes* part : {&evidence.certify_info, &evidence.signature, &evidence.key_public, &evidence.attestation_public,
                        &evidence.attestation_key, &evidence.ek_certificate}) {
        *part = to_bytes(in.octets(max_evidence_part));
    }
    return evidence;
}

std::optional<PublicKey> read_public_key(OctetReader& in) {
    auto key = PublicKey::from_spki(in.octets(max_spki));
    if (in.failed() || !key) {
        in.fail();
        return std::nullopt;
    }
    return *std::move(key);
}

std::optional<KeyReference> read_reference(OctetReader& in) {
    KeyId id = read_id(in);
    auto key = read_public_key(in);
    std::string pem = in.text(max_key_pem);
    if (in.failed() || !key) {
        in.fail();
        return std::nullopt;
    }
    return KeyReference{std::move(id), std::move(*key), std::move(pem)};
}

TokenDescription read_token(OctetReader& in) {
    TokenDescription token;
    for (auto* text : {&token.label, &token.manufacturer, &token.model, &token.serial, &token.uri}) {
        *text = in.text(max_text);
    }
    for (auto* flag :
         {&token.login_required, &token.initialized, &token.pin_count_low, &token.pin_final_try, &token.pin_locked}) {
        *flag = in.flag();
    }
    for (std::size_t left = in.count(sizeof(std::uint64_t)); left > 0 && !in.failed(); --left) {
        token.mechanisms.push_back(in.u64());
    }
    if (in.flag()) {
        token.free_octets = in.u64();
    }
    return token;
}

std::optional<KeyDescription> read_key(OctetReader& in) {
    auto reference = read_reference(in);
    if (!reference) {
        return std::nullopt;
    }
    KeyDescription key{std::move(*reference), in.text(max_text), {}, false, false, false, in.text(max_text)};
    KeyProtection& is = key.protection;
    for (auto* flag : {&is.sensitive, &is.extractable, &is.always_sensitive, &is.never_extractable, &is.local,
                       &key.can_sign, &key.can_decrypt, &key.can_derive}) {
        *flag = in.flag();
    }
    return key;
}

LoginPreparation read_preparation(OctetReader& in) {
    LoginPreparation preparation;
    preparation.source = read_identity(in);
    preparation.token = read_token(in);
    return preparation;
}

std::vector<KeyDescription> read_keys(OctetReader& in) {
    // The smallest encoding: five lengths and eight flags.
    constexpr std::size_t least = 5 * 4 + 8;
    std::vector<KeyDescription> keys;
    for (std::size_t left = in.count(least); left > 0 && !in.failed(); --left) {
        if (auto key = read_key(in)) {
            keys.push_back(std::move(*key));
        }
    }
    return keys;
}

std::vector<TokenDescription> read_tokens(OctetReader& in) {
    // The smallest encoding: five lengths, five flags, a count and a flag.
    constexpr std::size_t least = 5 * 4 + 5 + 4 + 1;
    std::vector<TokenDescription> tokens;
    for (std::size_t left = in.count(least); left > 0 && !in.failed(); --left) {
        tokens.push_back(read_token(in));
    }
    return tokens;
}

}  // namespace hwenroll::keystore
