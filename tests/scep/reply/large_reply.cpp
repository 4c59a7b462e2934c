#include "tests/scep/reply/large_reply.h"

#include <algorithm>
#include <stdexcept>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include "tests/scep/reply/asn1_forge.h"

namespace hwenroll::test {
namespace {

constexpr std::size_t limit = std::size_t{1024} * 1024;
constexpr std::size_t nearly = limit - 16 * 1024;  ///< room for what stands around the bulk

Bytes repeated(const Bytes& piece, std::size_t size = nearly) {
    Bytes all;
    all.reserve(size + piece.size());
    while (all.size() + piece.size() <= size) {
        all.insert(all.end(), piece.begin(), piece.end());
    }
    return all;
}

Bytes reply_with_envelope(const ForgedEnvelope& envelope) {
    ForgedReply reply;
    reply.content = envelope.build();
    return reply.build();
}

Bytes reply_with_set(const std::vector<Bytes>& certificates) {
    ForgedEnvelope envelope;
    envelope.plaintext = degenerate(certificates);
    return reply_with_envelope(envelope);
}

/// An extension of a private type that says nothing, of `size` octets.
std::function<void(X509*)> padded(std::size_t size) {
    return [size](X509* certificate) {
        const OpenSslPtr<ASN1_OBJECT> type(OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1));
        const OpenSslPtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
        const Bytes octets(size, 0x5A);
        ASN1_OCTET_STRING_set(value.get(), octets.data(), static_cast<int>(octets.size()));
        const OpenSslPtr<X509_EXTENSION> made(X509_EXTENSION_create_by_OBJ(nullptr, type.get(), 0, value.get()));
        X509_add_ext(certificate, made.get(), -1);
    };
}

Certificate padded_leaf(std::size_t size, long serial) {
    CertificateSpec spec = leaf_spec();
    spec.serial = serial;
    return edited(issued_leaf(spec), padded(size), world().ca_key);
}

Bytes one_large_certificate() {
    return reply_with_set({padded_leaf(nearly - 4096, 4711).der()});
}

Bytes sixty_four_certificates() {
    std::vector<Bytes> all;
    for (long i = 0; i < 64; ++i) {
        CertificateSpec spec = leaf_spec();
        spec.serial = 5000 + i;
        const Key& key = i == 31 ? world().client_key : world().other_key;
        all.push_back(edited(issued(spec, key, world().ca, world().ca_key), padded(15000), world().ca_key).der());
    }
    return reply_with_set(all);
}

/// An RSA key of 8192 bits without a private half: what it is said to have signed must still be looked at.
Key absurd_key() {
    const OpenSslPtr<BIGNUM> modulus(BN_new());
    const OpenSslPtr<BIGNUM> exponent(BN_new());
    BN_rand(modulus.get(), 8192, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_set_word(exponent.get(), 0xFFFFFFFF);
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    const OpenSslPtr<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        throw std::runtime_error("no such key: " + take_openssl_errors());
    }
    return {key, EVP_PKEY_free};
}

/// Our key under a CA whose name 63 certificates with huge keys bear: each may be the issuer.
Bytes expensive_issuers() {
    CertificateSpec authority = ca_spec("CN=Crowd");
    CertificateSpec leaf = leaf_spec();
    const Key crowd_key = rsa_key(20);
    const Certificate crowd = issued(authority, crowd_key, world().ca, world().ca_key);
    const Certificate ours = issued(leaf, world().client_key, crowd, rsa_key(21));
    std::vector<Bytes> all{ours.der()};
    for (long i = 0; i < 63; ++i) {
        authority.serial = 9000 + i;
        const Certificate member = issued(authority, crowd_key, world().ca, world().ca_key);
        const Key key = absurd_key();
        all.push_back(edited(
                          member,
                          [&](X509* copy) {
                              X509_set_pubkey(copy, key.get());
                              padded(13000)(copy);
                          },
                          world().ca_key)
                          .der());
    }
    return reply_with_set(all);
}

/// Two CAs that certify each other under 31 pairs of keys (BAD-31).
Bytes crossed_authorities() {
    std::vector<Bytes> all;
    Certificate left = self_signed(ca_spec("CN=Left"), rsa_key(22));
    for (long i = 0; i < 62; ++i) {
        CertificateSpec spec = ca_spec(i % 2 == 0 ? "CN=Right" : "CN=Left");
        spec.serial = 7000 + i;
        const Certificate next = issued(spec, rsa_key(22), left, rsa_key(22));
        all.push_back(edited(next, padded(15000), rsa_key(22)).der());
        left = next;
    }
    all.push_back(issued(leaf_spec(), world().client_key, left, rsa_key(22)).der());
    return reply_with_set(all);
}

/// The leaf with `members` RDNs in its subject.
Bytes endless_subject() {
    CertificateSpec spec = leaf_spec();
    const Certificate leaf = edited(
        issued_leaf(spec),
        [](X509* copy) {
            const Bytes rdn = asn1::set({asn1::sequence({asn1::oid("2.5.4.3"), asn1::printable_string("a")})});
            const Bytes name = asn1::value(0x30, {repeated(rdn)});
            const unsigned char* at = name.data();
            const OpenSslPtr<X509_NAME> made(d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size())));
            X509_set_subject_name(copy, made.get());
        },
        world().ca_key);
    return reply_with_set({leaf.der()});
}

Bytes endless_alternative_names() {
    const Certificate leaf = edited(
        issued_leaf(),
        [](X509* copy) {
            const Bytes name = asn1::value(0x82, {as_bytes("web0.example.com")});
            const Bytes names = asn1::value(0x30, {repeated(name)});
            const OpenSslPtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
            ASN1_OCTET_STRING_set(value.get(), names.data(), static_cast<int>(names.size()));
            const int place = X509_get_ext_by_NID(copy, NID_subject_alt_name, -1);
            const OpenSslPtr<X509_EXTENSION> old(X509_delete_ext(copy, place));
            const OpenSslPtr<X509_EXTENSION> made(
                X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value.get()));
            X509_add_ext(copy, made.get(), -1);
        },
        world().ca_key);
    return reply_with_set({leaf.der()});
}

Bytes unknown_attributes() {
    ForgedReply reply;
    for (unsigned i = 0; i < 40'000; ++i) {
        const std::string type = "1.3.6.1.4.1.55555." + std::to_string(i);
        reply.attributes.push_back({type, {asn1::printable_string("octets")}});
    }
    return reply.build();
}

Bytes endless_text() {
    ForgedReply reply = reply_without_envelope("2");
    reply.attribute("2.16.840.1.113733.1.9.4").values = {asn1::printable_string("2")};
    reply.attribute("1.3.6.1.5.5.7.24.1").values = {asn1::value(0x0C, {Bytes(nearly - 65536, 0x1B)})};
    return reply.build();
}

Bytes content_in_octets() {
    ForgedReply reply;
    reply.content = Bytes(nearly / 3 - 4096, 0x30);
    reply.ber = true;
    reply.piece = 1;
    return reply.build();
}

Bytes endless_recipients() {
    ForgedEnvelope envelope;
    const Bytes stranger = asn1::sequence({asn1::integer(0), issuer_and_serial(world().other),
                                           asn1::algorithm("1.2.840.113549.1.1.1"), asn1::octet_string(Bytes(1, 7))});
    envelope.more_recipients = {repeated(stranger, nearly - 4096)};
    return reply_with_envelope(envelope);
}

Bytes endless_certificates() {
    ForgedReply reply;
    reply.certificates = {repeated(Bytes{0x30, 0x00})};
    return reply.build();
}

/// SignedData with this in the place of digestAlgorithms or signerInfos.
Bytes skeleton(ByteView digests, ByteView signers) {
    const Bytes data =
        asn1::sequence({asn1::integer(1), asn1::value(0x31, {digests}),
                        asn1::sequence({asn1::oid("1.2.840.113549.1.7.1")}), asn1::value(0x31, {signers})});
    return asn1::sequence({asn1::oid("1.2.840.113549.1.7.2"), asn1::tagged(0, {data})});
}

Bytes endless_digests() {
    return skeleton(repeated(asn1::algorithm("2.16.840.1.101.3.4.2.1")), {});
}

Bytes endless_signers() {
    const Bytes signer = asn1::sequence({asn1::integer(1), issuer_and_serial(world().ra),
                                         asn1::algorithm("2.16.840.1.101.3.4.2.1"), asn1::value(0xA0, {Bytes()}),
                                         asn1::algorithm("1.2.840.113549.1.1.1"), asn1::octet_string(Bytes(8, 1))});
    return skeleton(asn1::algorithm("2.16.840.1.101.3.4.2.1"), repeated(signer));
}

Bytes endless_object_identifier() {
    const Bytes arc(nearly, 0x81);
    return asn1::sequence({asn1::value(0x06, {arc, Bytes{1}}), asn1::tagged(0, {asn1::null()})});
}

Bytes undecipherable() {
    ForgedEnvelope envelope;
    envelope.encrypted_content = Bytes((nearly - 4096) / 16 * 16, 0x77);
    return reply_with_envelope(envelope);
}

}  // namespace

Bytes LargeReply::body() const {
    Bytes made = build();
    if (made.size() > limit || made.size() < limit / 4 * 3) {
        throw std::runtime_error(name + " has " + std::to_string(made.size()) + " octets");
    }
    return made;
}

const std::vector<LargeReply>& large_replies() {
    static const std::vector<LargeReply> all{
        {"one_large_certificate", one_large_certificate},
        {"sixty_four_certificates", sixty_four_certificates},
        {"expensive_issuers", expensive_issuers},
        {"crossed_authorities", crossed_authorities},
        {"endless_subject", endless_subject},
        {"endless_alternative_names", endless_alternative_names},
        {"unknown_attributes", unknown_attributes},
        {"endless_text", endless_text},
        {"content_in_octets", content_in_octets},
        {"endless_recipients", endless_recipients},
        {"endless_certificates", endless_certificates},
        {"endless_digests", endless_digests},
        {"endless_signers", endless_signers},
        {"endless_object_identifier", endless_object_identifier},
        {"undecipherable", undecipherable},
        {"bottomless",
         [] {
             return repeated(Bytes{0x30, 0x80});
         }},
        {"zeros", [] { return Bytes(limit, 0); }},
        {"text", [] { return Bytes(limit, '<'); }},
    };
    return all;
}

std::string read_to_the_end(ByteView body) {
    const World& here = world();
    const auto reply = scep::read_cert_rep(body, here.expectation);
    if (!reply) {
        return std::string(reply.error().info().name);
    }
    if (reply->status != scep::PkiStatus::success) {
        return "refused by the CA";
    }
    const auto content = scep::open_envelope(reply->envelope, here.request_signer, here.client_key.get(), {}, {});
    if (!content) {
        return std::string(content.error().info().name);
    }
    const auto certificates = scep::read_degenerate(content->reveal(), {});
    if (!certificates) {
        return std::string(certificates.error().info().name);
    }
    const auto issued = scep::accept_certificate(*certificates, here.issue);
    return issued ? "accepted" : std::string(issued.error().info().name);
}

}  // namespace hwenroll::test
