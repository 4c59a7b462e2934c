#include "agent/runtime/message_envelope.h"

#include <utility>

#include "agent/runtime/secret_reading.h"
#include "keystore/openssl/agreed_key.h"
#include "keystore/openssl/key_provider.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::runtime {
namespace {

/// Which padding failure it was stays hidden (SEC-9). That the token does not offer what the envelope asks for depends
/// on no ciphertext and is told.
bool is_of_the_device(const Error& error) {
    return error.code() != ErrorCode::token_operation;
}

Opened open_by_decryption(EVP_PKEY* handle, ByteView envelope, const ReplyOpener& opener) {
    auto content = scep::open_envelope(envelope, opener.signer, handle, opener.legacy, opener.limits);
    if (!content) {
        const auto device = keystore::last_key_error(handle);
        return {fail(content.error()), device && is_of_the_device(*device) ? device : std::nullopt};
    }
    return {scep::OpenedEnvelope{*std::move(content), {}}, std::nullopt};
}

Opened open_by_agreement(const SharedToken& token, ByteView envelope, const ReplyOpener& opener) {
    std::optional<Error> device;
    scep::EcRecipient recipient{[&](const scep::KeyAgreement& with) {
        auto agreed = keystore::open_agreed_key(
            *token, opener.key,
            {with.originator, with.digest, with.wrap_algorithm, with.user_keying_material, with.wrapped_key});
        if (!agreed && is_of_the_device(agreed.error()) && agreed.error().code() != ErrorCode::scep_algorithm) {
            device = agreed.error();
        }
        return agreed;
    }};
    if (opener.challenge) {
        recipient.password = [&] { return read_secret(opener.challenge); };
    }
    return {scep::open_envelope(envelope, opener.signer, recipient, opener.legacy, opener.limits), device};
}

}  // namespace

bool is_sealed_by_password(const Authority& authority) {
    return !authority.set.recipient.public_key().is_rsa();
}

Result<Bytes> seal(ByteView data, const Authority& authority, const Secret& password, const scep::Algorithms& how) {
    return is_sealed_by_password(authority) ? scep::seal_by_password(data, password, how.cipher)
                                            : scep::seal(data, authority.set.recipient, how.cipher, how.key_transport);
}

Result<Opened> open_reply(const SharedToken& token, ByteView envelope, const ReplyOpener& opener) {
    if (opener.signer.public_key().is_ec()) {
        return open_by_agreement(token, envelope, opener);
    }
    const auto handle = keystore::to_evp_pkey(token, opener.key);
    return handle ? Result<Opened>(open_by_decryption(handle->get(), envelope, opener)) : fail(handle.error());
}

const Error& reason_of(const Opened& opened) {
    const Error& error = opened.envelope.error();
    return error.code() == ErrorCode::scep_decrypt && opened.device ? *opened.device : error;
}

}  // namespace hwenroll::runtime
