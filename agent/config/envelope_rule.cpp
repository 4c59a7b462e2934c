#include "agent/config/envelope_rule.h"

#include <fmt/format.h>

namespace hwenroll::config {
namespace {

std::optional<EnvelopeObjection> challenge_objection(EnvelopeMode mode, const AuthoritySettings& authority) {
    const bool password = mode == EnvelopeMode::password;
    const char* const word = password ? "password" : "token-rsa";
    const char* const why = password ? "its replies are encrypted under the challenge, which a late one needs again"
                                     : "each of its renewals is a first request to the CA";
    if (!authority.challenge) {
        return EnvelopeObjection{
            ErrorCode::config_missing,
            fmt::format("'key' under envelope = \"{}\" needs a 'challenge' in [ca.{}]", word, authority.name), why,
            "add a line like challenge = \"file:/etc/hwenroll/corp.challenge\""};
    }
    if (authority.challenge->kind == SecretSource::Kind::command) {
        return EnvelopeObjection{
            ErrorCode::config_value,
            fmt::format(
                "'key' under envelope = \"{}\" needs a challenge that can be read again, and that of [ca.{}] is "
                "a command's, which counts as good for one use",
                word, authority.name),
            why, "use a challenge of \"file:\" or \"credential:\", or envelope = \"agree\""};
    }
    return std::nullopt;
}

/// An RSA key has no use for `envelope` but that messages may be encrypted under the challenge where the CA has no RSA
/// key, and then each poll and each query is one more.
std::optional<EnvelopeObjection> rsa_objection(const AuthoritySettings& authority) {
    const bool asks_each_time = authority.challenge && authority.challenge->kind == SecretSource::Kind::command;
    if (authority.envelope != EnvelopeMode::password || !asks_each_time) {
        return std::nullopt;
    }
    return EnvelopeObjection{
        ErrorCode::config_value,
        fmt::format("'key' under envelope = \"password\" needs a challenge that can be read again, and that of [ca.{}] "
                    "is a command's, which counts as good for one use",
                    authority.name),
        "a CA without an RSA key is polled and queried under the challenge",
        "use a challenge of \"file:\" or \"credential:\"; where the CA has an RSA key, give RSA identities a [ca.NAME] "
        "without 'envelope'"};
}

}  // namespace

std::optional<EnvelopeObjection> envelope_objection(const IdentitySettings& identity,
                                                    const AuthoritySettings& authority) {
    if (!is_ec(identity.key)) {
        return rsa_objection(authority);
    }
    const EnvelopeMode mode = envelope_for(identity.key, authority.envelope);
    if (mode == EnvelopeMode::automatic) {
        return EnvelopeObjection{
            ErrorCode::config_value,
            fmt::format("'key' is an EC key, and [ca.{}] does not say how replies reach one", authority.name),
            "SCEP encrypts the reply for the key that asked, and an EC key cannot decrypt",
            fmt::format("ask the CA's operator which of the three it does and set 'envelope' of [ca.{}] to \"agree\" "
                        "(ECDH with the EC key), \"password\" (under the challenge) or \"token-rsa\" (to an RSA key "
                        "beside it on the token), or use \"rsa:2048\"",
                        authority.name)};
    }
    if (mode == EnvelopeMode::token_rsa && identity.signer) {
        return EnvelopeObjection{ErrorCode::config_unsupported,
                                 "'key' under envelope = \"token-rsa\" cannot be enrolled by a 'signer'",
                                 "both would sign the request", "remove 'signer', or use another 'envelope'"};
    }
    return mode == EnvelopeMode::agree ? std::nullopt : challenge_objection(mode, authority);
}

}  // namespace hwenroll::config
