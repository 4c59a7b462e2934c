// The keystore's vocabulary in the messages of token_protocol.h: how each value is written and read.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "keystore/token.h"
#include "keystore/token_options.h"
#include "keystore/worker/octet_stream.h"

namespace hwenroll::keystore {

/// Longest text, in octets: labels, URIs, paths, the parts of an Error.
inline constexpr std::size_t max_text = 4096;

void write(OctetWriter& out, std::chrono::milliseconds duration);
void write(OctetWriter& out, const TokenOptions& options);
void write(OctetWriter& out, const std::optional<PinSourceIdentity>& identity);
void write(OctetWriter& out, const Error& error);
void write(OctetWriter& out, const LoginPreparation& preparation);
void write(OctetWriter& out, const LoginOutcome& outcome);
void write(OctetWriter& out, const PublicKey& key);
void write(OctetWriter& out, const KeyReference& key);
void write(OctetWriter& out, const TokenDescription& token);
void write(OctetWriter& out, const KeyDescription& key);
void write(OctetWriter& out, const KeyEvidence& evidence);

template <class T>
void write(OctetWriter& out, const std::vector<T>& elements) {
    out.u32(static_cast<std::uint32_t>(elements.size()));
    for (const auto& element : elements) {
        write(out, element);
    }
}

/// An enumerator whose numbers run from 1 to `last`.
template <class E>
E read_enum(OctetReader& in, E last) {
    const std::uint8_t value = in.u8();
    if (value < 1 || value > static_cast<std::uint8_t>(last)) {
        in.fail();
        return last;
    }
    return static_cast<E>(value);
}

// Each of these marks `in` as failed when the octets make no sense; what they return then is of no use.
KeyId read_id(OctetReader& in);
std::chrono::milliseconds read_duration(OctetReader& in);
TokenOptions read_options(OctetReader& in);
std::optional<PinSourceIdentity> read_identity(OctetReader& in);
Error read_error(OctetReader& in);
LoginPreparation read_preparation(OctetReader& in);
LoginOutcome read_outcome(OctetReader& in);
TokenDescription read_token(OctetReader& in);
KeyEvidence read_evidence(OctetReader& in);
std::vector<TokenDescription> read_tokens(OctetReader& in);
std::vector<KeyDescription> read_keys(OctetReader& in);

/// Nothing when the octets make no sense: a public key has no empty value.
std::optional<PublicKey> read_public_key(OctetReader& in);
std::optional<KeyReference> read_reference(OctetReader& in);
std::optional<KeyDescription> read_key(OctetReader& in);

}  // namespace hwenroll::keystore
