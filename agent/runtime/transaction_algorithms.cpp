#include "agent/runtime/transaction_algorithms.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "transport/scep/key_transport.h"

namespace hwenroll::runtime {
namespace {

using scep::ContentCipher;
using scep::Digest;

std::string text_of(const std::vector<std::string>& algorithms, const std::vector<std::string>& legacy) {
    std::string text = fmt::format("{}", fmt::join(algorithms, ", "));
    if (!legacy.empty()) {
        text += fmt::format(", as legacy = [\"{}\"] permits", fmt::join(legacy, "\", \""));
    }
    return text;
}

}  // namespace

scep::AlgorithmChoice algorithm_choice(const config::AuthoritySettings& settings) {
    scep::AlgorithmChoice choice;
    switch (settings.cipher) {
        case config::CipherChoice::aes128:
            choice.cipher = ContentCipher::aes128;
            break;
        case config::CipherChoice::aes192:
            choice.cipher = ContentCipher::aes192;
            break;
        case config::CipherChoice::aes256:
            choice.cipher = ContentCipher::aes256;
            break;
        case config::CipherChoice::des3:
            choice.cipher = ContentCipher::des3;
            break;
        case config::CipherChoice::automatic:
            break;
    }
    switch (settings.digest) {
        case config::DigestChoice::sha256:
            choice.digest = Digest::sha256;
            break;
        case config::DigestChoice::sha512:
            choice.digest = Digest::sha512;
            break;
        case config::DigestChoice::sha1:
            choice.digest = Digest::sha1;
            break;
        case config::DigestChoice::automatic:
            break;
    }
    choice.key_transport =
        settings.key_transport == config::KeyTransport::oaep ? scep::KeyTransport::oaep : scep::KeyTransport::pkcs1;
    return choice;
}

std::string request_text(const scep::Algorithms& algorithms) {
    std::vector<std::string> legacy;
    if (algorithms.cipher == ContentCipher::des3) {
        legacy.emplace_back("des3");
    }
    if (algorithms.digest == Digest::sha1) {
        legacy.emplace_back("sha1-request");
    }
    return text_of({std::string(to_text(algorithms.digest)), std::string(to_text(algorithms.cipher)),
                    to_text(scep::KeyTransportScheme{algorithms.key_transport, Digest::sha256})},
                   legacy);
}

std::string reply_text(scep::Digest digest, const std::optional<scep::EnvelopeAlgorithms>& envelope) {
    std::vector<std::string> algorithms{std::string(to_text(digest))};
    std::vector<std::string> legacy;
    if (digest == Digest::sha1) {
        legacy.emplace_back("sha1-reply");
    }
    if (envelope && envelope->cipher) {
        algorithms.emplace_back(to_text(*envelope->cipher));
        if (*envelope->cipher == ContentCipher::des) {
            legacy.emplace_back("des-cbc-reply");
        } else if (*envelope->cipher == ContentCipher::des3) {
            legacy.emplace_back("des3");
        }
    }
    if (envelope && !envelope->key_encryption.empty()) {
        algorithms.push_back(envelope->key_encryption);
    }
    return text_of(algorithms, legacy);
}

}  // namespace hwenroll::runtime
