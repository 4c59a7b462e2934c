#include "transport/scep/key_transport.h"

#include <utility>

#include <fmt/format.h>
#include <openssl/rsa.h>

#include "transport/scep/der_writer.h"
#include "transport/scep/digests.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

constexpr std::string_view oid_rsa_encryption = "1.2.840.113549.1.1.1";
constexpr std::string_view oid_rsaes_oaep = "1.2.840.113549.1.1.7";
constexpr std::string_view oid_mgf1 = "1.2.840.113549.1.1.8";
constexpr std::string_view oid_specified_label = "1.2.840.113549.1.1.9";

/// As RSAES-OAEP-params says it, before anything is judged.
struct OaepParameters {
    AlgorithmId hash{digest_oid(Digest::sha1), std::nullopt};
    std::string mask = std::string(oid_mgf1);
    std::string mask_hash = digest_oid(Digest::sha1);
    bool empty_label = true;
};

/// MGF1 with its own hash.
void read_mask(OaepParameters& out, BerReader& fields, BerFault& fault) {
    const AlgorithmId mask = read_algorithm(fields, fault, "maskGenAlgorithm");
    out.mask = mask.oid;
    if (!mask.parameters) {
        return fields.reject("maskGenAlgorithm names no hash");
    }
    BerReader inner(mask.parameters->encoding, fault, mask.parameters->offset);
    out.mask_hash = read_algorithm(inner, fault, "the hash of maskGenAlgorithm").oid;
    inner.finish("maskGenAlgorithm");
}

void read_label(OaepParameters& out, BerReader& fields, BerFault& fault) {
    const AlgorithmId source = read_algorithm(fields, fault, "pSourceAlgorithm");
    out.empty_label = source.oid == oid_specified_label && source.parameters &&
                      source.parameters->tag == tag::octet_string && source.parameters->content.empty();
}

OaepParameters read_oaep(const BerValue& value, BerFault& fault) {
    OaepParameters out;
    BerReader outer(value.encoding, fault, value.offset);
    BerReader fields = outer.enter(tag::sequence, "RSAES-OAEP-params");
    if (const auto hash = fields.next_if(tag::context(0))) {
        BerReader inner = fields.members(*hash, "hashAlgorithm");
        out.hash = read_algorithm(inner, fault, "hashAlgorithm");
        inner.finish("hashAlgorithm");
    }
    if (const auto mask = fields.next_if(tag::context(1))) {
        BerReader inner = fields.members(*mask, "maskGenAlgorithm");
        read_mask(out, inner, fault);
        inner.finish("maskGenAlgorithm");
    }
    if (const auto label = fields.next_if(tag::context(2))) {
        BerReader inner = fields.members(*label, "pSourceAlgorithm");
        read_label(out, inner, fault);
        inner.finish("pSourceAlgorithm");
    }
    fields.finish("RSAES-OAEP-params");
    return out;
}

tl::unexpected<Error> refuse_oaep(std::string why) {
    return fail(ErrorCode::scep_algorithm,
                "the reply's content key is encrypted by an RSAES-OAEP that is not supported", std::move(why),
                "set the CA to RSA PKCS#1 v1.5 key transport, or to OAEP with SHA-1 or SHA-256");
}

Result<KeyTransportScheme> judge_oaep(const OaepParameters& found) {
    const auto digest = digest_by_oid(found.hash.oid);
    if (!digest || (*digest != Digest::sha1 && *digest != Digest::sha256)) {
        return refuse_oaep("its hash is " + name_of_oid(found.hash.oid));
    }
    if (found.mask != oid_mgf1 || found.mask_hash != found.hash.oid) {
        return refuse_oaep(
            fmt::format("its hash is {} and its mask generation {} with {}; tokens want one hash in both",
                        name_of_oid(found.hash.oid), name_of_oid(found.mask), name_of_oid(found.mask_hash)));
    }
    if (!found.empty_label) {
        return refuse_oaep("it has a label");
    }
    return KeyTransportScheme{KeyTransport::oaep, *digest};
}

/// RSAES-OAEP-params for `digest`, which is not the default: all of it is written out.
Bytes oaep_algorithm(Digest digest) {
    const Bytes hash = der::algorithm_with_null(digest_oid(digest));
    const Bytes mask = der::constructed(der::tag_sequence, {der::object_identifier(oid_mgf1), hash});
    const Bytes parameters = der::constructed(
        der::tag_sequence, {der::value(der::tag_context(0), hash), der::value(der::tag_context(1), mask)});
    return der::constructed(der::tag_sequence, {der::object_identifier(oid_rsaes_oaep), parameters});
}

}  // namespace

std::string to_text(const KeyTransportScheme& scheme) {
    return scheme.transport == KeyTransport::pkcs1 ? "RSAES-PKCS1-v1_5"
                                                   : fmt::format("RSAES-OAEP with {}", to_text(scheme.digest));
}

Result<KeyTransportScheme> key_transport_of(const AlgorithmId& algorithm) {
    if (algorithm.oid == oid_rsa_encryption) {
        return KeyTransportScheme{};
    }
    if (algorithm.oid != oid_rsaes_oaep) {
        return fail(ErrorCode::scep_algorithm, "the reply's content key is encrypted in a way that is not supported",
                    name_of_oid(algorithm.oid), "set the CA to RSA PKCS#1 v1.5 key transport");
    }
    if (!algorithm.parameters) {
        return refuse_oaep("its parameters are missing");
    }
    BerFault fault;
    const OaepParameters found = read_oaep(*algorithm.parameters, fault);
    if (fault.failed()) {
        return refuse_oaep("its parameters cannot be read");
    }
    return judge_oaep(found);
}

bool set_scheme(EVP_PKEY_CTX* context, const KeyTransportScheme& scheme) {
    if (scheme.transport == KeyTransport::pkcs1) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
    }
    const EVP_MD* const digest = message_digest(scheme.digest);
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, digest) > 0 && EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) > 0;
}

Result<WrappedKey> wrap_key(const Secret& content_key, const Certificate& recipient, KeyTransport transport) {
    const KeyTransportScheme scheme{transport, Digest::sha256};
    const PublicKey& key = recipient.public_key();
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key.get()));
    WrappedKey wrapped{
        transport == KeyTransport::pkcs1 ? der::algorithm_with_null(oid_rsa_encryption) : oaep_algorithm(scheme.digest),
        Bytes(size)};
    const ByteView octets = content_key.reveal();
    if (!context || EVP_PKEY_encrypt_init(context.get()) <= 0 || !set_scheme(context.get(), scheme) ||
        EVP_PKEY_encrypt(context.get(), wrapped.encrypted_key.data(), &size, octets.data(), octets.size()) <= 0) {
        return fail(openssl_error("a request cannot be encrypted for '" + recipient.subject().text() + "'"));
    }
    wrapped.encrypted_key.resize(size);
    return wrapped;
}

}  // namespace hwenroll::scep
