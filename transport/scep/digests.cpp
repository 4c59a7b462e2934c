#include "transport/scep/digests.h"

namespace hwenroll::scep {
namespace {

struct Names {
    const EVP_MD* (*message_digest)();
    const char* digest_oid;
    const char* ecdsa_oid;
    const char* rsa_oid;
};

Names names_of(Digest digest) {
    switch (digest) {
        case Digest::sha1:
            return {EVP_sha1, "1.3.14.3.2.26", "1.2.840.10045.4.1", "1.2.840.113549.1.1.5"};
        case Digest::sha384:
            return {EVP_sha384, "2.16.840.1.101.3.4.2.2", "1.2.840.10045.4.3.3", "1.2.840.113549.1.1.12"};
        case Digest::sha512:
            return {EVP_sha512, "2.16.840.1.101.3.4.2.3", "1.2.840.10045.4.3.4", "1.2.840.113549.1.1.13"};
        case Digest::sha256:
            break;
    }
    return {EVP_sha256, "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"};
}

}  // namespace

const EVP_MD* message_digest(Digest digest) {
    return names_of(digest).message_digest();
}

const char* digest_oid(Digest digest) {
    return names_of(digest).digest_oid;
}

const char* ecdsa_oid(Digest digest) {
    return names_of(digest).ecdsa_oid;
}

const char* rsa_oid(Digest digest) {
    return names_of(digest).rsa_oid;
}

Result<Bytes> digest_of(ByteView octets, Digest digest) {
    const EVP_MD* algorithm = message_digest(digest);
    Bytes out(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
    if (EVP_Digest(octets.data(), octets.size(), out.data(), nullptr, algorithm, nullptr) != 1) {
        return fail(openssl_error("a message digest cannot be computed"));
    }
    return out;
}

}  // namespace hwenroll::scep
