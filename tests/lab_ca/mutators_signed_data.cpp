// BAD-41 to BAD-69: the SignedData around a CertRep.
#include <array>

#include <openssl/bn.h>
#include <openssl/rsa.h>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/forged_certificate.h"
#include "tests/lab_ca/forged_reply.h"
#include "tests/lab_ca/mutation.h"
#include "tests/lab_ca/mutator_tables.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

const Certificate& ca_of(const Scene& scene) {
    return scene.current.certificate();
}

void sign_as_stranger(const Scene& scene, ForgedSignedData& data, std::string_view subject) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    data.sign_as(ForgedCertificate::root(subject, key, ca_of(scene)).certificate(key), key);
}

void sign_as_client(const Scene& scene, ForgedSignedData& data) {
    EVP_PKEY* key = spare_key(SpareKey::client);
    const ForgedCertificate client = ForgedCertificate::issued_by(ca_of(scene), "CN=other.example.com", key);
    data.sign_as(client.certificate(scene.current.key()), key);
}

/// The one that BAD-48-set shows.
void sign_as_expired_ra(const Scene& scene, ForgedSignedData& data) {
    EVP_PKEY* key = spare_key(SpareKey::ra);
    ForgedCertificate certificate = ForgedCertificate::issued_by(ca_of(scene), "CN=RA of yesterday", key);
    certificate.make_ra(RaDuty::sign);
    certificate.set_validity(ca_of(scene).not_before(), ca_of(scene).not_before() + std::chrono::days(2));
    data.sign_as(certificate.certificate(scene.current.key()), key);
}

/// The greatest number whose cube is at most `limit`.
OpenSslPtr<BIGNUM> cube_root(const BIGNUM* limit) {
    const std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context(BN_CTX_new(), &BN_CTX_free);
    OpenSslPtr<BIGNUM> root(BN_new());
    const OpenSslPtr<BIGNUM> square(BN_new());
    const OpenSslPtr<BIGNUM> cube(BN_new());
    BN_zero(root.get());
    for (int bit = BN_num_bits(limit) / 3 + 1; bit >= 0; --bit) {
        BN_set_bit(root.get(), bit);
        BN_sqr(square.get(), root.get(), context.get());
        BN_mul(cube.get(), square.get(), root.get(), context.get());
        if (BN_cmp(cube.get(), limit) > 0) {
            BN_clear_bit(root.get(), bit);
        }
    }
    return root;
}

/// Bleichenbacher's of 2006: a cube that begins like a padded digest of SHA-256, whatever follows.
Bytes forged_signature(ByteView covered) {
    constexpr std::size_t modulus = 256;
    const Bytes digest =
        der::sequence({der::algorithm("2.16.840.1.101.3.4.2.1", der::null()), der::octet_string(sha256(covered))});
    Bytes padded{0, 1};
    padded.insert(padded.end(), 8, 0xff);
    padded.push_back(0);
    padded.insert(padded.end(), digest.begin(), digest.end());
    padded.resize(modulus, 0xff);
    const OpenSslPtr<BIGNUM> limit(BN_bin2bn(padded.data(), static_cast<int>(padded.size()), nullptr));
    Bytes signature(modulus);
    BN_bn2binpad(cube_root(limit.get()).get(), signature.data(), static_cast<int>(modulus));
    return signature;
}

/// The one that BAD-60-set shows.
void sign_by_cube(const Scene& scene, ForgedSignedData& data) {
    ForgedCertificate weak =
        ForgedCertificate::issued_by(ca_of(scene), "CN=RA with e=3", spare_key(SpareKey::exponent_3));
    weak.make_ra();
    data.sign_as(weak.certificate(scene.current.key()), nullptr);
    data.make_signature = forged_signature;
}

/// RSASSA-PSS-params (RFC 4055 §3.1) with a saltLength of 2^31.
void salt_without_end(ForgedSignedData& data) {
    const Bytes hash = der::algorithm("2.16.840.1.101.3.4.2.1", der::null());
    const Bytes salt_length = der::integer(Bytes{0, 0x80, 0, 0, 0});
    data.signature_oid = "1.2.840.113549.1.1.10";
    data.signature_parameters =
        der::sequence({der::context_0({hash}), der::context_1({der::algorithm("1.2.840.113549.1.1.8", hash)}),
                       der::element(0xa2, {salt_length})});
}

void name_by_common_identifier(const Scene& scene, ForgedSignedData& data) {
    const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(ca_of(scene).get());
    const ByteView octets(ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id)));
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    ForgedCertificate other = ForgedCertificate::root("CN=Same identifier", key, ca_of(scene));
    other.set_extension(extension_type::subject_key_identifier, false, der::octet_string(octets));
    data.certificates = {other.signed_by(key), ca_of(scene).der()};
    data.signer_id = der::element(0x80, {octets});
}

void sign_as_namesake(const Scene& scene, ForgedSignedData& data) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    ForgedCertificate namesake = ForgedCertificate::of(ca_of(scene));
    namesake.key = PublicKey::of(key).value().spki();
    data.sign_as(namesake.certificate(key), key);
}

/// Another pkiStatus than the CA's, by a signature that does not verify.
void say_unsigned(const Scene& scene, HttpReply& reply, const char* status) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        data.content.reset();
        data.attribute(oid::pki_status).values = {der::printable(status)};
        data.attribute(oid::fail_info).values = {der::printable("2")};
    });
    reply.body.back() ^= 0x01U;
}

Bytes deep(std::size_t levels) {
    Bytes out;
    for (std::size_t i = 0; i < levels; ++i) {
        out.insert(out.end(), {0x30, 0x80});
    }
    return out;
}

/// An OBJECT IDENTIFIER whose last arc has that many octets.
Bytes endless_arc(std::size_t octets) {
    Bytes content(octets, 0xff);
    content.front() = 0x2a;
    content.back() = 0x01;
    return der::element(0x06, {content});
}

constexpr std::array table{
    Mutator{"BAD-41", "sends an OCTET STRING",
            [](const Scene&, HttpReply& reply) { reply.body = der::octet_string(reply.body); }},
    Mutator{"BAD-41b", "sends the CA's certificate",
            [](const Scene& scene, HttpReply& reply) { reply.body = ca_of(scene).der(); }},
    Mutator{"BAD-42", "sends the envelope alone",
            [](const Scene& scene, HttpReply& reply) {
                if (scene.honest && scene.honest->encryption_for) {
                    reply.body = ForgedEnvelope(*scene.honest->encryption_for, Bytes(16)).build();
                }
            }},
    Mutator{"BAD-43", "has no SignerInfo",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.signers = 0; });
            }},
    Mutator{"BAD-44", "has two SignerInfos",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.signers = 2; });
            }},
    Mutator{"BAD-45", "flips a bit of the signature",
            [](const Scene&, HttpReply& reply) { reply.body.back() ^= 0x01U; }},
    Mutator{"BAD-45b", "says PENDING, and flips a bit of the signature",
            [](const Scene& scene, HttpReply& reply) { say_unsigned(scene, reply, "3"); }},
    Mutator{"BAD-45c", "says FAILURE, and flips a bit of the signature",
            [](const Scene& scene, HttpReply& reply) { say_unsigned(scene, reply, "2"); }},
    Mutator{"BAD-46", "is signed by an unknown self-signed certificate",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply,
                      [&](ForgedSignedData& data) { sign_as_stranger(scene, data, "CN=Unknown signer"); });
            }},
    Mutator{"BAD-47", "is signed by another client of the CA",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) { sign_as_client(scene, data); });
            }},
    Mutator{"BAD-48", "is signed by the expired RA of BAD-48-set",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) { sign_as_expired_ra(scene, data); });
            }},
    Mutator{"BAD-50", "sends the request back",
            [](const Scene& scene, HttpReply& reply) { reply.body = scene.request.body; }},
    Mutator{"BAD-51", "has no signed attributes",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.no_attributes = true; });
            }},
    Mutator{"BAD-52", "has another content's messageDigest",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.message_digest = Bytes(32, 0x11); });
            }},
    Mutator{"BAD-53", "has no messageDigest",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.message_digest = Bytes{}; });
            }},
    Mutator{"BAD-54", "has a contentType attribute of another type",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply,
                      [](ForgedSignedData& data) { data.content_type_attribute = std::string(oid::signed_data); });
            }},
    Mutator{"BAD-55", "has its attributes unsigned",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.attributes_unsigned = true; });
            }},
    Mutator{"BAD-56", "is signed with MD5",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.digest = "MD5";
                    data.digest_oid = "1.2.840.113549.2.5";
                });
            }},
    Mutator{"BAD-57", "is signed with SHA-1",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.digest = "SHA1";
                    data.digest_oid = "1.3.14.3.2.26";
                });
            }},
    Mutator{"BAD-58", "says ECDSA of an RSA signature",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.signature_oid = "1.2.840.10045.4.3.2";
                    data.signature_parameters.clear();
                });
            }},
    Mutator{"BAD-59", "says SHA-256 of a SHA-1 signature",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.signature_digest = "SHA1"; });
            }},
    Mutator{"BAD-60", "forges the signature of the RA of BAD-60-set as a cube",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) { sign_by_cube(scene, data); });
            }},
    Mutator{"BAD-61", "says RSASSA-PSS with a salt of 2^31 octets",
            [](const Scene& scene, HttpReply& reply) { forge(scene, reply, salt_without_end); }},
    Mutator{"BAD-62", "is nested 100,000 deep", [](const Scene&, HttpReply& reply) { reply.body = deep(100'000); }},
    Mutator{"BAD-63", "has an indefinite length without an end",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.piece = 1000; });
                reply.body.resize(reply.body.size() - 2);
            }},
    Mutator{"BAD-64", "is BER in 10,000 pieces",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.piece = 1;
                    data.empty_pieces = 8'500;
                });
            }},
    Mutator{"BAD-65", "has a length of 2^64 - 1",
            [](const Scene&, HttpReply& reply) {
                reply.body = Bytes{0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x06, 0x01, 0x00};
            }},
    Mutator{"BAD-65b", "has a length of 2^32 - 1",
            [](const Scene&, HttpReply& reply) {
                reply.body = Bytes{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x06, 0x01, 0x00};
            }},
    Mutator{"BAD-65c", "has a length of 126 octets",
            [](const Scene&, HttpReply& reply) {
                reply.body = Bytes(256, 0xff);
                reply.body[0] = 0x30;
                reply.body[1] = 0xfe;
            }},
    Mutator{"BAD-66", "has an attribute whose OID has an arc of 900 kB",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.attributes.push_back({"", {der::null()}, endless_arc(900'000)});
                });
            }},
    Mutator{"BAD-66b", "has an attribute whose OID is not minimal",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.attributes.push_back({"", {der::null()}, Bytes{0x06, 0x03, 0x2a, 0x80, 0x01}});
                });
            }},
    Mutator{"BAD-67", "names its signer by an identifier that two certificates have",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) { name_by_common_identifier(scene, data); });
            }},
    Mutator{"BAD-68", "has no certificates",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.certificates.clear(); });
            }},
    Mutator{"BAD-69", "is signed by a stranger with the CA's issuer and serial number",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) { sign_as_namesake(scene, data); });
            }},
};

}  // namespace

Mutators signed_data_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
