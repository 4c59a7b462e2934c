#include "transport/scep/digital_signature.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include "base/openssl_ptr.h"
#include "transport/scep/digests.h"

namespace hwenroll::scep {

Result<Bytes> sign_octets(ByteView octets, EVP_PKEY* key, const PublicKey& public_key, Digest digest,
                          std::string_view what) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    // The size comes from the public half: asking the key itself could cost a second operation.
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(public_key.get()));
    Bytes signature(size);
    if (!context || EVP_DigestSignInit(context.get(), nullptr, message_digest(digest), nullptr, key) <= 0 ||
        EVP_DigestSign(context.get(), signature.data(), &size, octets.data(), octets.size()) <= 0) {
        return fail(openssl_error(fmt::format("{} cannot be signed with its key", what)));
    }
    signature.resize(size);
    return signature;
}

bool verify_octets(ByteView octets, ByteView signature, const PublicKey& key, Digest digest) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    const bool good =
        EVP_DigestVerifyInit(context.get(), nullptr, message_digest(digest), nullptr, key.get()) == 1 &&
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), octets.data(), octets.size()) == 1;
    ERR_clear_error();
    return good;
}

}  // namespace hwenroll::scep
