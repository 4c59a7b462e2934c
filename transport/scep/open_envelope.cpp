// Opening of a reply's envelope with one operation of the private key (SEC-9, ENV-10 … ENV-18).
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "transport/scep/ber.h"
#include "transport/scep/cert_rep.h"
#include "transport/scep/content_cipher.h"
#include "transport/scep/envelope.h"
#include "transport/scep/key_agree_recipient.h"
#include "transport/scep/key_transport.h"
#include "transport/scep/password_recipient.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

/// The one outward face of every failure behind the recipient check (SEC-9).
tl::unexpected<Error> cannot_open() {
    return fail(ErrorCode::scep_decrypt, "the envelope of the reply cannot be opened");
}

/// Nobody in the envelope is who we are (ENV-10).
tl::unexpected<Error> not_for_us(const EnvelopedData& data, std::string next = {}) {
    std::string others;
    for (const auto& recipient : data.recipients) {
        others += (others.empty() ? "" : ", ") + describe(recipient.id);
    }
    for (const auto& kind : data.other_recipients) {
        others += (others.empty() ? "" : ", ") + ("a recipient by " + kind);
    }
    return fail(ErrorCode::scep_recipient, "the reply is not encrypted for the certificate that signed the request",
                "it is for " + (others.empty() ? std::string("nobody") : printable(others, 300)), std::move(next));
}

/// The recipient that is ours: no other key is tried, and a second one for us is left alone.
Result<const KeyTransRecipient*> find_recipient(const EnvelopedData& data, const Certificate& ours) {
    const auto found = std::ranges::find_if(data.recipients, [&](const auto& r) { return names(r.id, ours); });
    return found == data.recipients.end() ? not_for_us(data) : Result<const KeyTransRecipient*>(&*found);
}

/// The content cipher, if it is allowed (ALG-9).
Result<const CipherInfo*> find_cipher(const EnvelopedData& data, const LegacyPermissions& legacy) {
    const CipherInfo* info = cipher_by_oid(data.content_algorithm.oid);
    if (info == nullptr) {
        return fail(ErrorCode::scep_algorithm,
                    fmt::format("the reply is encrypted with {}, which SCEP does not use",
                                name_of_oid(data.content_algorithm.oid)),
                    {}, "set the CA to AES-128-CBC");
    }
    const bool refused = (info->cipher == ContentCipher::des && !legacy.des_cbc_reply) ||
                         (info->cipher == ContentCipher::des3 && !legacy.des3);
    if (refused) {
        return fail(ErrorCode::scep_algorithm, fmt::format("the reply is encrypted with {}", to_text(info->cipher)), {},
                    fmt::format("enable AES on the CA, or set legacy = [\"{}\"] with 'legacy_until'",
                                info->cipher == ContentCipher::des ? "des-cbc-reply" : "des3"));
    }
    return info;
}

/// The initialization vector (BAD-98).
Result<ByteView> find_iv(const EnvelopedData& data, const CipherInfo& info) {
    const auto& parameters = data.content_algorithm.parameters;
    if (!parameters || parameters->tag != tag::octet_string || parameters->constructed ||
        parameters->content.size() != info.iv_size) {
        return fail(ErrorCode::scep_envelope, "the envelope has no proper initialization vector",
                    fmt::format("{} needs {} octets", to_text(info.cipher), info.iv_size));
    }
    return parameters->content;
}

/// One raw private operation into `plain`, which is as long as the modulus; the length of the result, 0 if there is
/// none. What libcrypto or the token says about a failure is dropped.
std::size_t decrypt_key(EVP_PKEY* key, const KeyTransportScheme& scheme, ByteView encrypted, Bytes& plain) {
    ERR_set_mark();
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    std::size_t size = plain.size();
    bool done = context && EVP_PKEY_decrypt_init(context.get()) > 0 && set_scheme(context.get(), scheme);
    if (done && scheme.transport == KeyTransport::pkcs1) {
        // OpenSSL 3.2 and newer; a provider that does not know the parameter is as good without it.
        EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_pkcs1_implicit_rejection", "1");
    }
    if (done) {
        done = EVP_PKEY_decrypt(context.get(), plain.data(), &size, encrypted.data(), encrypted.size()) > 0;
    }
    ERR_pop_to_mark();
    return done ? size : 0;
}

/// The content key: what the private key yields if that has the right length, a random key otherwise, chosen without
/// a branch (RFC 3218 §2.3.2).
Result<Secret> content_key(const KeyTransRecipient& recipient, const KeyTransportScheme& scheme, EVP_PKEY* key,
                           std::size_t modulus_size, std::size_t key_size) {
    Bytes chosen(key_size);
    if (RAND_priv_bytes(chosen.data(), static_cast<int>(chosen.size())) != 1) {
        return fail(openssl_error("cannot draw a random content key"));
    }
    Bytes plain(std::max(modulus_size, key_size));
    // A ciphertext of another length cannot be one, so that the token is not asked (BAD-103).
    const std::size_t size =
        recipient.encrypted_key.size() == modulus_size ? decrypt_key(key, scheme, recipient.encrypted_key, plain) : 0;
    const unsigned difference = static_cast<unsigned>(size ^ key_size);
    const auto differs = static_cast<std::uint8_t>((difference | (0U - difference)) >> 31U);
    const auto mask = static_cast<std::uint8_t>(differs - 1U);  // FF when the length is right
    for (std::size_t i = 0; i < key_size; ++i) {
        chosen[i] = static_cast<std::uint8_t>((plain[i] & mask) | (chosen[i] & static_cast<std::uint8_t>(~mask)));
    }
    wipe(plain);
    return Secret(std::move(chosen));
}

bool is_one_value(ByteView content, const ParseLimits& limits) {
    const Result<std::size_t> size = check_ber(content, limits.max_depth);
    return size && *size == content.size();
}

/// An envelope but for its key, checked.
struct Content {
    const CipherInfo* cipher = nullptr;
    ByteView iv;
    const Bytes* octets = nullptr;
    ContentDecryptor decryptor;
};

Result<Content> content_of(const EnvelopedData& data, const LegacyPermissions& legacy) {
    const auto cipher = find_cipher(data, legacy);
    if (!cipher) {
        return fail(cipher.error());
    }
    const auto iv = find_iv(data, **cipher);
    if (!iv) {
        return fail(iv.error());
    }
    if (!data.encrypted_content) {
        return fail(ErrorCode::scep_envelope, "the envelope holds no encrypted content");
    }
    Result<ContentDecryptor> decryptor = ContentDecryptor::load(**cipher);
    if (!decryptor) {
        return fail(decryptor.error());
    }
    return Content{*cipher, *iv, &*data.encrypted_content, *std::move(decryptor)};
}

/// Only one complete value is handed out (ENV-15).
Result<Secret> decrypt(const Content& content, const Secret& key, const ParseLimits& limits) {
    Secret plaintext = content.decryptor.decrypt(key.reveal(), content.iv, *content.octets);
    if (!is_one_value(plaintext.reveal(), limits)) {
        return cannot_open();
    }
    return plaintext;
}

/// What agreeing yields if that is a key of the right length, a random one otherwise.
Result<Secret> agreed_key(const EcRecipient& key, const KeyAgreement& agreement, std::size_t key_size) {
    Result<Secret> agreed = key.agree(agreement);
    if (!agreed && agreed.error().code() == ErrorCode::scep_algorithm) {
        return agreed;
    }
    if (agreed && agreed->size() == key_size) {
        return agreed;
    }
    Bytes random(key_size);
    if (RAND_priv_bytes(random.data(), static_cast<int>(random.size())) != 1) {
        return fail(openssl_error("cannot draw a random content key"));
    }
    return Secret(std::move(random));
}

/// What our certificate is to agree upon; nothing where no recipient by key agreement is it. One that is malformed is
/// the sender's fault only if nobody else's is ours.
Result<std::optional<KeyAgreement>> find_agreement(const EnvelopedData& data, const Certificate& ours) {
    std::optional<Error> malformed;
    for (const BerValue& value : data.agreements) {
        const auto recipient = read_key_agree_recipient(value);
        if (!recipient) {
            malformed = recipient.error();
            continue;
        }
        const auto key = std::ranges::find_if(recipient->keys, [&](const auto& one) { return names(one.id, ours); });
        if (key != recipient->keys.end()) {
            auto agreement = agreement_of(*recipient, *key, ours);
            return agreement ? Result<std::optional<KeyAgreement>>(*std::move(agreement)) : fail(agreement.error());
        }
    }
    return malformed ? Result<std::optional<KeyAgreement>>(fail(*malformed)) : std::optional<KeyAgreement>();
}

Result<OpenedEnvelope> open_by_password(const EnvelopedData& data, const Secret& password, const Content& content,
                                        const ParseLimits& limits) {
    const auto recipient = read_password_recipient(data.passwords.front());
    if (!recipient) {
        return fail(recipient.error());
    }
    auto key = unwrap_by_password(*recipient, password, content.cipher->key_size, limits.max_pbkdf2);
    if (!key) {
        return fail(key.error());
    }
    auto plaintext = decrypt(content, key->key, limits);
    if (!plaintext) {
        return fail(plaintext.error());
    }
    OpenedEnvelope opened{*std::move(plaintext), {}};
    constexpr std::uint32_t few_iterations = 1000;
    if (key->iterations < few_iterations) {
        opened.warnings.push_back(fmt::format(
            "the reply is encrypted under the challenge by only {} iterations of PBKDF2, so that it can be guessed "
            "fast (ENV-19)",
            key->iterations));
    }
    return opened;
}

}  // namespace

Result<Secret> open_for_recipient(const EnvelopedData& data, const KeyTransRecipient& recipient, EVP_PKEY* key,
                                  std::size_t modulus_size, const LegacyPermissions& legacy,
                                  const ParseLimits& limits) {
    const auto scheme = key_transport_of(recipient.algorithm);
    if (!scheme) {
        return fail(scheme.error());
    }
    const auto content = content_of(data, legacy);
    if (!content) {
        return fail(content.error());
    }
    const auto secret = content_key(recipient, *scheme, key, modulus_size, content->cipher->key_size);
    return secret ? decrypt(*content, *secret, limits) : fail(secret.error());
}

Result<Secret> open_envelope(ByteView envelope, const Certificate& recipient, EVP_PKEY* key,
                             const LegacyPermissions& legacy, const ParseLimits& limits) {
    const Result<EnvelopedData> data = parse_enveloped_data(envelope, limits);
    if (!data) {
        return fail(data.error());
    }
    const auto ours = find_recipient(*data, recipient);
    if (!ours) {
        return fail(ours.error());
    }
    // The certificate's key, not the private one: some providers do not tell the size of the modulus.
    const auto modulus_size = static_cast<std::size_t>(EVP_PKEY_get_size(recipient.public_key().get()));
    return open_for_recipient(*data, **ours, key, modulus_size, legacy, limits);
}

Result<OpenedEnvelope> open_envelope(ByteView envelope, const Certificate& recipient, const EcRecipient& key,
                                     const LegacyPermissions& legacy, const ParseLimits& limits) {
    const Result<EnvelopedData> data = parse_enveloped_data(envelope, limits);
    if (!data) {
        return fail(data.error());
    }
    const bool by_password = key.password && data->passwords.size() == 1;
    const auto agreement = find_agreement(*data, recipient);
    if (!agreement && !(by_password && agreement.error().code() == ErrorCode::scep_envelope)) {
        return fail(agreement.error());
    }
    const bool agrees = agreement && *agreement;
    if (!agrees && !by_password) {
        // Nothing tells two recipients by password apart, and each would cost its iterations.
        const bool another_way = !key.password && data->passwords.size() == 1;
        return not_for_us(*data,
                          another_way ? "set envelope = \"password\" if that is how the CA answers EC keys" : "");
    }
    const auto content = content_of(*data, legacy);
    if (!content) {
        return fail(content.error());
    }
    if (agrees) {
        const auto secret = agreed_key(key, **agreement, content->cipher->key_size);
        auto plaintext = secret ? decrypt(*content, *secret, limits) : fail(secret.error());
        return plaintext ? Result<OpenedEnvelope>(OpenedEnvelope{*std::move(plaintext), {}}) : fail(plaintext.error());
    }
    const auto password = key.password();
    return password ? open_by_password(*data, *password, *content, limits) : fail(password.error());
}

}  // namespace hwenroll::scep
