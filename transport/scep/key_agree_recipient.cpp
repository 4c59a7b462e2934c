#include "transport/scep/key_agree_recipient.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>

#include "transport/scep/der_writer.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t most_keys = 64;
constexpr std::string_view oid_ec_public_key = "1.2.840.10045.2.1";

/// dhSinglePass-stdDH-NAMEkdf-scheme (RFC 5753 §7.1.4). With cofactor 1, as our curves have, the cofactor schemes would
/// yield the same, but nobody who means these curves names them.
struct Scheme {
    std::string_view oid;
    const char* digest;  ///< libcrypto's name
};

constexpr std::array<Scheme, 5> schemes{{{"1.3.133.16.840.63.0.2", "SHA1"},
                                         {"1.3.132.1.11.0", "SHA224"},
                                         {"1.3.132.1.11.1", "SHA256"},
                                         {"1.3.132.1.11.2", "SHA384"},
                                         {"1.3.132.1.11.3", "SHA512"}}};

tl::unexpected<Error> unsupported(std::string why) {
    return fail(ErrorCode::scep_algorithm, "the reply's content key is agreed upon in a way that is not supported",
                std::move(why), "set the CA to ECDH with an ephemeral key (RFC 5753 §3.1.1) and AES key wrap");
}

/// A BIT STRING of whole octets.
Bytes octets_of_bits(const BerValue& value, BerFault& fault) {
    if (value.constructed || value.content.empty() || value.content.front() != 0) {
        fault.record(value.offset, "a public key is no BIT STRING of whole octets");
        return {};
    }
    return to_bytes(value.content.subspan(1));
}

void read_originator(KeyAgreeRecipient& recipient, BerReader& fields, BerFault& fault) {
    constexpr BerTag bit_string{TagClass::universal, 3};
    BerReader choice = fields.enter(tag::context(0), "an originator");
    const BerValue value = choice.next("an originator");
    choice.finish("an originator");
    if (value.tag == tag::context(1)) {
        BerReader key = choice.members(value, "an originator's key");
        recipient.originator_algorithm = read_algorithm(key, fault, "the algorithm of an originator's key");
        recipient.originator_point = octets_of_bits(key.expect(bit_string, "an originator's key"), fault);
        key.finish("an originator's key");
    }
}

/// KeyAgreeRecipientIdentifier: unlike the other identifiers, its [0] is a SEQUENCE that begins with the identifier.
CertificateId read_recipient_id(BerReader& fields, BerFault& fault) {
    const auto by_key = fields.next_if(tag::context(0));
    if (!by_key) {
        return read_certificate_id(fields, fault);
    }
    BerReader parts = fields.members(*by_key, "rKeyId");
    CertificateId id;
    id.subject_key_id = parts.expect(tag::octet_string, "a subject key identifier").content;
    return id;
}

void read_keys(KeyAgreeRecipient& recipient, BerReader& fields, BerFault& fault) {
    BerReader keys = fields.enter(tag::sequence, "recipientEncryptedKeys");
    while (!keys.at_end()) {
        if (recipient.keys.size() == most_keys) {
            keys.reject("there are too many recipients");
            return;
        }
        BerReader one = keys.enter(tag::sequence, "a RecipientEncryptedKey");
        KeyAgreeRecipient::WrappedKey key;
        key.id = read_recipient_id(one, fault);
        key.octets = octets_of(one.expect(tag::octet_string, "encryptedKey"), fault);
        one.finish("a RecipientEncryptedKey");
        recipient.keys.push_back(std::move(key));
    }
}

/// The AlgorithmIdentifier of `key`'s SubjectPublicKeyInfo, encoded.
ByteView algorithm_of(const PublicKey& key) {
    BerFault fault;
    BerReader outer(key.spki(), fault);
    return outer.enter(tag::sequence, "a SubjectPublicKeyInfo").expect(tag::sequence, "an algorithm").encoding;
}

/// Whether the parameters, which may be left out (RFC 5753 §3.1.1), are those of `algorithm`.
bool same_curve(const AlgorithmId& originator, ByteView algorithm) {
    if (!originator.parameters || originator.parameters->tag == tag::null) {
        return true;
    }
    BerFault fault;
    BerReader outer(algorithm, fault);
    const AlgorithmId own = read_algorithm(outer, fault, "an algorithm");
    return own.parameters && equal(own.parameters->encoding, originator.parameters->encoding);
}

/// The sender's ephemeral key; nothing where it is none on the curve of `own`.
std::optional<PublicKey> originator_key(const KeyAgreeRecipient& recipient, const PublicKey& own) {
    const ByteView algorithm = algorithm_of(own);
    // The point at infinity is one octet long; compressed ones nobody sends (RFC 5753 §3.1.1).
    if (recipient.originator_point.size() != own.point().size() ||
        !same_curve(recipient.originator_algorithm, algorithm)) {
        return std::nullopt;
    }
    const OpenSslErrorScope dropped;
    auto key = PublicKey::from_spki(
        der::constructed(der::tag_sequence, {algorithm, der::bit_string(recipient.originator_point)}));
    return key && key->point() == recipient.originator_point ? std::optional(*std::move(key)) : std::nullopt;
}

}  // namespace

Result<KeyAgreeRecipient> read_key_agree_recipient(const BerValue& value) {
    BerFault fault;
    KeyAgreeRecipient recipient;
    BerReader outer({}, fault, value.offset);
    BerReader fields = outer.members(value, "a KeyAgreeRecipientInfo");
    fields.expect(tag::integer, "the version of a KeyAgreeRecipientInfo");
    read_originator(recipient, fields, fault);
    if (const auto material = fields.next_if(tag::context(1))) {
        BerReader inside = fields.members(*material, "ukm");
        recipient.user_keying_material = octets_of(inside.expect(tag::octet_string, "ukm"), fault);
        inside.finish("ukm");
    }
    recipient.algorithm = read_algorithm(fields, fault, "keyEncryptionAlgorithm");
    read_keys(recipient, fields, fault);
    fields.finish("a KeyAgreeRecipientInfo");
    if (const Status read =
            fault.status(ErrorCode::scep_envelope, "the envelope's recipient by key agreement is malformed");
        !read) {
        return fail(read.error());
    }
    return recipient;
}

Result<KeyAgreement> agreement_of(const KeyAgreeRecipient& recipient, const KeyAgreeRecipient::WrappedKey& wrapped,
                                  const Certificate& certificate) {
    const auto* const scheme = std::ranges::find(schemes, recipient.algorithm.oid, &Scheme::oid);
    if (scheme == schemes.end() || !recipient.algorithm.parameters) {
        return unsupported("its key agreement is " + name_of_oid(recipient.algorithm.oid));
    }
    if (recipient.originator_algorithm.oid != oid_ec_public_key) {
        return unsupported(recipient.originator_algorithm.oid.empty()
                               ? "the sender's key is named by its certificate"
                               : "the sender's key is " + name_of_oid(recipient.originator_algorithm.oid));
    }
    auto originator = originator_key(recipient, certificate.public_key());
    if (!originator) {
        return fail(ErrorCode::scep_decrypt, "the envelope of the reply cannot be opened");
    }
    return KeyAgreement{*std::move(originator), scheme->digest, to_bytes(recipient.algorithm.parameters->encoding),
                        recipient.user_keying_material, wrapped.octets};
}

}  // namespace hwenroll::scep
