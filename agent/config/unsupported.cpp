#include "agent/config/unsupported.h"

#include <string_view>

#include <fmt/format.h>

namespace hwenroll::config {
namespace {

void refuse(SectionReader& reader, std::string_view key, std::string_view cannot, std::string instead) {
    reader.report(key, ErrorCode::config_unsupported, fmt::format("asks for what this version cannot do: {}", cannot),
                  {}, std::move(instead));
}

void refuse_key(SectionReader& reader, const KeyChoice& key) {
    constexpr const char* instead = "use \"rsa:2048\", \"rsa:3072\" or \"rsa:4096\"";
    const auto* const type = std::get_if<KeyType>(&key);
    if (type == nullptr) {
        return;
    }
    if (*type == KeyType::ec_p256 || *type == KeyType::ec_p384) {
        // SCEP encrypts the reply for the key that asked, which an EC key cannot decrypt.
        refuse(reader, "key", "enroll an EC key", instead);
    }
}

}  // namespace

void refuse_unsupported(SectionReader& reader, const AuthoritySettings& authority) {
    if (authority.envelope != EnvelopeMode::automatic) {
        refuse(reader, "envelope", "receive a reply otherwise than by RSA key transport",
               "use \"auto\" and an RSA key");
    }
    if (authority.challenge_encoding != ChallengeEncoding::automatic) {
        refuse(reader, "challenge_encoding", "choose the string type of the challenge",
               "use \"auto\": PrintableString where the challenge allows it, else UTF8String");
    }
    if (authority.transaction_id.kind != TransactionIdRule::Kind::random) {
        refuse(reader, "txid", "derive the transactionID", "use \"random\"");
    }
}

void refuse_unsupported(SectionReader& reader, const IdentitySettings& identity) {
    refuse_key(reader, identity.key);
}

}  // namespace hwenroll::config
