// BAD-19 to BAD-40: what a CA announces of itself. The certificates are the same at every request of one CA, so that a
// fingerprint of one can be configured before it is asked for.
#include <array>
#include <map>
#include <mutex>
#include <string>

#include "base/pem.h"
#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/forged_certificate.h"
#include "tests/lab_ca/forged_reply.h"
#include "tests/lab_ca/mutator_tables.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

constexpr std::string_view own_name = "CN=hwenroll lab CA,O=hwenroll lab";

void announce(HttpReply& reply, std::string_view text) {
    reply.body = to_bytes(as_bytes(text));
}

void send_set(HttpReply& reply, const std::vector<Bytes>& certificates) {
    reply.content_type = "application/x-x509-ca-ra-cert";
    reply.body = degenerate(certificates);
}

void send_one(HttpReply& reply, Bytes certificate) {
    reply.content_type = "application/x-x509-ca-cert";
    reply.body = std::move(certificate);
}

const Certificate& ca_of(const Scene& scene) {
    return scene.current.certificate();
}

Bytes stranger_root(const Scene& scene, std::string_view subject) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    return ForgedCertificate::root(subject, key, ca_of(scene)).signed_by(key);
}

/// Issued by the CA to another client: it could pose as an RA.
Bytes posing_client(const Scene& scene) {
    ForgedCertificate client =
        ForgedCertificate::issued_by(ca_of(scene), "CN=other.example.com", spare_key(SpareKey::client));
    constexpr std::uint8_t bit_string = 0x03;
    client.set_extension(extension_type::key_usage, true, Bytes{bit_string, 2, 5, 0xa0});
    return client.signed_by(scene.current.key());
}

Bytes expired_ra(const Scene& scene, RaDuty duty) {
    ForgedCertificate certificate =
        ForgedCertificate::issued_by(ca_of(scene), "CN=RA of yesterday", spare_key(SpareKey::ra));
    certificate.make_ra(duty);
    certificate.set_validity(ca_of(scene).not_before(), ca_of(scene).not_before() + std::chrono::days(2));
    return certificate.signed_by(scene.current.key());
}

ForgedCertificate intermediate(const Certificate& root) {
    ForgedCertificate out = ForgedCertificate::issued_by(root, "CN=Issuing CA", spare_key(SpareKey::client));
    out.make_ca();
    return out;
}

void send_cross_signed(const Scene& scene, HttpReply& reply) {
    EVP_PKEY* other_key = spare_key(SpareKey::stranger);
    const Certificate& own = ca_of(scene);
    const Certificate other = ForgedCertificate::root("CN=Other CA", other_key, own).certificate(other_key);
    ForgedCertificate own_by_other = ForgedCertificate::of(own);
    own_by_other.issuer = other.subject().der();
    ForgedCertificate other_by_own = ForgedCertificate::of(other);
    other_by_own.issuer = own.subject().der();
    send_set(reply, {own_by_other.signed_by(other_key), other_by_own.signed_by(scene.current.key()), own.der()});
}

void send_path_length(const Scene& scene, HttpReply& reply) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    ForgedCertificate root = ForgedCertificate::root("CN=Root without depth", key, ca_of(scene));
    root.make_ca(0);
    const Certificate pinned = root.certificate(key);
    ForgedCertificate below =
        ForgedCertificate::issued_by(intermediate(pinned).certificate(key), "CN=RA below", spare_key(SpareKey::ra));
    below.make_ra();
    send_set(reply, {pinned.der(), intermediate(pinned).signed_by(key), below.signed_by(spare_key(SpareKey::client))});
}

/// A CA whose RSA key is of that modulus and exponent.
void send_odd_key(const Scene& scene, HttpReply& reply, ByteView modulus, ByteView exponent) {
    ForgedCertificate root = ForgedCertificate::root("CN=Odd key", spare_key(SpareKey::stranger), ca_of(scene));
    root.key = rsa_key_info(modulus, exponent);
    send_one(reply, root.signed_by(spare_key(SpareKey::stranger)));
}

/// A positive INTEGER of that many octets, which ends in `last`.
Bytes modulus(std::size_t octets, std::uint8_t last) {
    Bytes out(octets + 1, 0xa5);
    out.front() = 0;
    out.back() = last;
    return out;
}

const Bytes usual_exponent{1, 0, 1};

/// ECDSA signatures are drawn at random, so each is made once.
Bytes ec_root(const Scene& scene) {
    static std::mutex mutex;
    static std::map<Bytes, Bytes> made;
    const std::lock_guard lock(mutex);
    Bytes& out = made[ca_of(scene).fingerprint()];
    if (out.empty()) {
        EVP_PKEY* key = spare_key(SpareKey::ec_p256);
        out = ForgedCertificate::root("CN=EC CA", key, ca_of(scene)).signed_by(key);
    }
    return out;
}

void send_signed_set(const Scene& scene, HttpReply& reply) {
    ForgedSignedData data;
    data.content = Bytes{};
    data.sign_as(ca_of(scene), scene.current.key());
    reply.content_type = "application/x-x509-ca-ra-cert";
    reply.body = data.build();
}

constexpr std::array capabilities_table{
    Mutator{"BAD-19", "announces blank lines",
            [](const Scene&, HttpReply& reply) { announce(reply, "\r\n\n \r\n\t\n\r\n"); }},
    Mutator{"BAD-20", "announces words that only begin like keywords",
            [](const Scene&, HttpReply& reply) { announce(reply, "SCEPStandardX\nAES128\nSHA\nPOST\n"); }},
    Mutator{"BAD-21", "announces one line of 1 MB",
            [](const Scene&, HttpReply& reply) { announce(reply, std::string(1'000'000, 'A')); }},
    Mutator{"BAD-22", "announces keywords with NUL inside",
            [](const Scene&, HttpReply& reply) {
                using namespace std::string_view_literals;
                announce(reply, "A\0ES\nSHA-2\00056\nSCEP\0Standard\n"sv);
            }},
    Mutator{"BAD-23", "announces less than before", [](const Scene&, HttpReply& reply) { announce(reply, "DES3\n"); }},
    Mutator{"BAD-24", "announces forbidden algorithms alone",
            [](const Scene&, HttpReply& reply) { announce(reply, "DES\nMD5\nPOSTPKIOperation\n"); }},
};

constexpr std::array set_table{
    Mutator{"BAD-25", "shows a stranger's CA of the same name",
            [](const Scene& scene, HttpReply& reply) { send_one(reply, stranger_root(scene, own_name)); }},
    Mutator{"BAD-26", "shows a certificate that is no CA's",
            [](const Scene& scene, HttpReply& reply) {
                EVP_PKEY* key = spare_key(SpareKey::stranger);
                ForgedCertificate leaf = ForgedCertificate::root("CN=No CA", key, ca_of(scene));
                leaf.set_extension(extension_type::basic_constraints, true, der::sequence({}));
                send_one(reply, leaf.signed_by(key));
            }},
    Mutator{"BAD-27", "shows another client's certificate beside the CA's",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {posing_client(scene), ca_of(scene).der()});
            }},
    Mutator{"BAD-28", "shows a self-signed RA of nobody beside the CA",
            [](const Scene& scene, HttpReply& reply) {
                EVP_PKEY* key = spare_key(SpareKey::stranger);
                ForgedCertificate false_ra = ForgedCertificate::root("CN=False RA", key, ca_of(scene));
                false_ra.remove_extension(extension_type::basic_constraints);
                false_ra.make_ra();
                send_set(reply, {false_ra.signed_by(key), ca_of(scene).der()});
            }},
    Mutator{"BAD-29", "shows an expired intermediate below the CA, and its RA",
            [](const Scene& scene, HttpReply& reply) {
                ForgedCertificate expired = intermediate(ca_of(scene));
                expired.set_validity(ca_of(scene).not_before(), ca_of(scene).not_before() + Seconds(1));
                const Certificate issuing = expired.certificate(scene.current.key());
                ForgedCertificate below = ForgedCertificate::issued_by(issuing, "CN=RA below", spare_key(SpareKey::ra));
                below.set_validity(ca_of(scene).not_before(), ca_of(scene).not_after());
                below.make_ra();
                send_set(reply, {ca_of(scene).der(), issuing.der(), below.signed_by(spare_key(SpareKey::client))});
            }},
    Mutator{"BAD-30", "shows a stranger's CA of the same name beside the CA",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {stranger_root(scene, own_name), ca_of(scene).der()});
            }},
    Mutator{"BAD-31", "shows two CAs that certify each other",
            [](const Scene& scene, HttpReply& reply) { send_cross_signed(scene, reply); }},
    Mutator{
        "BAD-32", "shows 10,000 certificates",
        [](const Scene& scene, HttpReply& reply) { send_set(reply, std::vector<Bytes>(10'000, ca_of(scene).der())); }},
    Mutator{
        "BAD-32b", "shows 1,000 certificates, which is not too much for the body",
        [](const Scene& scene, HttpReply& reply) { send_set(reply, std::vector<Bytes>(1'000, ca_of(scene).der())); }},
    Mutator{"BAD-33", "shows no certificate", [](const Scene&, HttpReply& reply) { send_set(reply, {}); }},
    Mutator{"BAD-34", "shows half a certificate",
            [](const Scene&, HttpReply& reply) { reply.body.resize(reply.body.size() / 2); }},
    Mutator{"BAD-35", "shows a CA with an RSA modulus of one bit",
            [](const Scene& scene, HttpReply& reply) { send_odd_key(scene, reply, Bytes{1}, usual_exponent); }},
    Mutator{
        "BAD-35b", "shows a CA with an even RSA modulus",
        [](const Scene& scene, HttpReply& reply) { send_odd_key(scene, reply, modulus(256, 0xa4), usual_exponent); }},
    Mutator{
        "BAD-35c", "shows a CA with an RSA modulus of 65,536 bits",
        [](const Scene& scene, HttpReply& reply) { send_odd_key(scene, reply, modulus(8192, 0xa5), usual_exponent); }},
    Mutator{"BAD-35d", "shows a CA with the RSA exponent 1",
            [](const Scene& scene, HttpReply& reply) { send_odd_key(scene, reply, modulus(256, 0xa5), Bytes{1}); }},
    Mutator{"BAD-35e", "shows a CA with an RSA exponent as long as its modulus",
            [](const Scene& scene, HttpReply& reply) {
                send_odd_key(scene, reply, modulus(256, 0xa5), modulus(255, 0xa5));
            }},
    Mutator{"BAD-36", "shows the CA in PEM",
            [](const Scene& scene, HttpReply& reply) { announce(reply, to_pem(ca_of(scene))); }},
    Mutator{"BAD-37", "shows an intermediate below a CA that may have none",
            [](const Scene& scene, HttpReply& reply) { send_path_length(scene, reply); }},
    Mutator{"BAD-38", "shows a CA with an EC key alone",
            [](const Scene& scene, HttpReply& reply) { send_one(reply, ec_root(scene)); }},
    Mutator{"BAD-39", "shows the CA first and an RA last",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {ca_of(scene).der(), posing_client(scene), stranger_root(scene, "CN=Other")});
            }},
    Mutator{"BAD-39b", "shows the same in the reverse order",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {stranger_root(scene, "CN=Other"), posing_client(scene), ca_of(scene).der()});
            }},
    Mutator{"BAD-40", "shows the CA in a SignedData that has a signer",
            [](const Scene& scene, HttpReply& reply) { send_signed_set(scene, reply); }},
    Mutator{"BAD-48-set", "shows an RA that signs and ends two days after the CA's beginning beside the CA",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {expired_ra(scene, RaDuty::sign), ca_of(scene).der()});
            }},
    Mutator{"BAD-48b", "shows such an RA that signs and receives, beside the CA",
            [](const Scene& scene, HttpReply& reply) {
                send_set(reply, {expired_ra(scene, RaDuty::sign_and_receive), ca_of(scene).der()});
            }},
    Mutator{"BAD-60-set", "shows an RA with the RSA exponent 3 beside the CA",
            [](const Scene& scene, HttpReply& reply) {
                ForgedCertificate weak =
                    ForgedCertificate::issued_by(ca_of(scene), "CN=RA with e=3", spare_key(SpareKey::exponent_3));
                weak.make_ra();
                send_set(reply, {weak.signed_by(scene.current.key()), ca_of(scene).der()});
            }},
};

}  // namespace

Mutators capability_mutators() {
    return capabilities_table;
}

Mutators ca_set_mutators() {
    return set_table;
}

}  // namespace hwenroll::lab_ca
