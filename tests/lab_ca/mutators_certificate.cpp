// BAD-105 to BAD-124: what is in the envelope, and the certificate that is issued.
#include <array>

#include "tests/lab_ca/asn1_reader.h"
#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/forged_certificate.h"
#include "tests/lab_ca/mutation.h"
#include "tests/lab_ca/mutator_tables.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

constexpr std::string_view private_extension = "1.3.6.1.4.1.55555.1";

void set_plaintext(const Scene& scene, HttpReply& reply, const Bytes& plaintext) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) { envelope.plaintext = plaintext; });
}

void set_certificates(const Scene& scene, HttpReply& reply, std::vector<Bytes> certificates) {
    forge_certificates(scene, reply, [&](std::vector<Bytes>& all) { all = std::move(certificates); });
}

/// The issued certificate after `edit`, signed by the CA or by another key.
template <class Edit>
void forge_issued(const Scene& scene, HttpReply& reply, Edit edit, EVP_PKEY* key = nullptr) {
    forge_certificates(scene, reply, [&](std::vector<Bytes>& all) {
        ForgedCertificate issued = ForgedCertificate::of(scene.honest->certificates.front());
        edit(issued);
        all.front() = issued.signed_by(key == nullptr ? scene.current.key() : key);
    });
}

void issue_by_stranger(const Scene& scene, HttpReply& reply, bool same_name) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    ForgedCertificate root = ForgedCertificate::root("CN=Unknown CA", key, scene.current.certificate());
    if (same_name) {
        root.subject = root.issuer = scene.current.certificate().subject().der();
    }
    const Certificate unknown = root.certificate(key);
    forge_certificates(scene, reply, [&](std::vector<Bytes>& all) {
        ForgedCertificate issued = ForgedCertificate::of(scene.honest->certificates.front());
        issued.issuer = unknown.subject().der();
        issued.remove_extension(extension_type::authority_key_identifier);
        all = {issued.signed_by(key), unknown.der()};
    });
}

void set_names(const Scene& scene, HttpReply& reply, const std::vector<std::string_view>& names) {
    constexpr std::uint8_t dns_name = 0x82;
    forge_issued(scene, reply, [&](ForgedCertificate& issued) {
        std::vector<Bytes> encoded;
        for (const std::string_view name : names) {
            encoded.push_back(der::element(dns_name, {as_bytes(name)}));
        }
        issued.set_extension(extension_type::subject_alt_name, false, der::element(0x30, encoded));
    });
}

void add_twin(const Scene& scene, HttpReply& reply) {
    forge_certificates(scene, reply, [&](std::vector<Bytes>& all) {
        ForgedCertificate older = ForgedCertificate::of(scene.honest->certificates.front());
        older.set_serial(Bytes{0x12, 0x34});
        older.set_validity(scene.honest->certificates.front().not_before() - std::chrono::days(1),
                           scene.honest->certificates.front().not_after() - std::chrono::days(1));
        all.insert(all.begin(), older.signed_by(scene.current.key()));
    });
}

/// The certificate of another client of the CA.
Bytes another_clients(const Scene& scene) {
    return ForgedCertificate::issued_by(scene.current.certificate(), "CN=other.example.com",
                                        spare_key(SpareKey::client))
        .signed_by(scene.current.key());
}

void take_long(const Scene& scene, HttpReply& reply) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        data.content.reset();
        data.attribute(oid::pki_status).values = {der::printable("3")};
    });
}

Bytes utc_time(std::string_view text) {
    return der::element(asn1_tag::utc_time, {as_bytes(text)});
}

Bytes generalized_time(std::string_view text) {
    return der::element(asn1_tag::generalized_time, {as_bytes(text)});
}

constexpr std::array content_table{
    Mutator{"BAD-105", "encloses a bare certificate",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
                    envelope.plaintext = scene.honest->certificates.front().der();
                });
            }},
    Mutator{"BAD-106", "encloses octets behind the certificates",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [](ForgedEnvelope& envelope) { envelope.plaintext.push_back(0); });
            }},
    Mutator{"BAD-107", "encloses no certificate",
            [](const Scene& scene, HttpReply& reply) { set_plaintext(scene, reply, degenerate({})); }},
    Mutator{"BAD-108", "encloses the CA's certificate alone",
            [](const Scene& scene, HttpReply& reply) {
                set_certificates(scene, reply, {scene.current.certificate().der()});
            }},
    Mutator{"BAD-109", "issues for another key",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) {
                    issued.key = PublicKey::of(spare_key(SpareKey::stranger)).value().spki();
                });
            }},
    Mutator{"BAD-110", "encloses a certificate by an unknown CA, and that CA",
            [](const Scene& scene, HttpReply& reply) { issue_by_stranger(scene, reply, false); }},
    Mutator{"BAD-110b", "encloses a certificate by an unknown CA of the CA's name, and that CA",
            [](const Scene& scene, HttpReply& reply) { issue_by_stranger(scene, reply, true); }},
    Mutator{"BAD-111", "issues for another subject",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply,
                             [](ForgedCertificate& issued) { issued.set_subject("CN=admin.example.com"); });
            }},
    Mutator{"BAD-111b", "issues for a subject that would steer a terminal and forge a line",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) {
                    issued.subject = der::sequence({der::set({der::sequence(
                        {der::object("2.5.4.3"),
                         der::utf8(std::string_view("web\x1b[2J\nE-OK web: all is well\r\xe2\x80\xae\0x", 36))})})});
                });
            }},
    Mutator{"BAD-112", "issues a CA",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) { issued.make_ca(); });
            }},
    Mutator{"BAD-113", "issues what has expired",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [&](ForgedCertificate& issued) {
                    issued.set_validity(scene.now - std::chrono::days(2), scene.now - std::chrono::days(1));
                });
            }},
    Mutator{"BAD-113b", "issues what is not valid yet",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [&](ForgedCertificate& issued) {
                    issued.set_validity(scene.now + std::chrono::days(1), scene.now + std::chrono::days(90));
                });
            }},
    Mutator{"BAD-113c", "issues for a minute",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [&](ForgedCertificate& issued) {
                    issued.set_validity(scene.now, scene.now + Seconds(60));
                });
            }},
    Mutator{"BAD-114", "answers a renewal with the certificate that signed it",
            [](const Scene& scene, HttpReply& reply) {
                forge_certificates(scene, reply,
                                   [&](std::vector<Bytes>& all) { all.front() = scene.honest->encryption_for->der(); });
            }},
    Mutator{"BAD-115", "encloses an older certificate for the key before the new one",
            [](const Scene& scene, HttpReply& reply) { add_twin(scene, reply); }},
};

constexpr std::array issued_table{
    Mutator{"BAD-116", "issues with an unknown critical extension",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) {
                    issued.set_extension(private_extension, true, der::null());
                });
            }},
    Mutator{"BAD-117", "issues without the names",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) {
                    issued.remove_extension(extension_type::subject_alt_name);
                });
            }},
    Mutator{"BAD-117b", "issues with a name more",
            [](const Scene& scene, HttpReply& reply) {
                set_names(scene, reply, {"web01.example.com", "admin.example.com"});
            }},
    Mutator{"BAD-117c", "issues for every name of the domain",
            [](const Scene& scene, HttpReply& reply) { set_names(scene, reply, {"*.example.com"}); }},
    Mutator{"BAD-118", "issues until the year 9999",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply,
                             [](ForgedCertificate& issued) { issued.not_after = generalized_time("99991231235959Z"); });
            }},
    Mutator{"BAD-118b", "issues until a time that is none",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply,
                             [](ForgedCertificate& issued) { issued.not_after = utc_time("311399256199Z"); });
            }},
    Mutator{"BAD-118c", "issues until a text that is no time",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply,
                             [](ForgedCertificate& issued) { issued.not_after = utc_time("tomorrow, noon"); });
            }},
    Mutator{"BAD-119", "issues with a negative serial number",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) { issued.set_serial(Bytes{0x81, 0x02}); });
            }},
    Mutator{"BAD-119b", "issues with the serial number 0",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) { issued.set_serial(Bytes{0}); });
            }},
    Mutator{"BAD-119c", "issues with a serial number of 1,000 octets",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) { issued.set_serial(Bytes(1000, 0x51)); });
            }},
    Mutator{"BAD-120", "names one signature algorithm inside and another outside",
            [](const Scene& scene, HttpReply& reply) {
                forge_issued(scene, reply, [](ForgedCertificate& issued) {
                    issued.outer_algorithm = issued.signature_algorithm;
                    issued.signature_algorithm = der::algorithm("1.2.840.113549.1.1.12", der::null());
                });
            }},
    Mutator{"BAD-121", "encloses a stranger's root",
            [](const Scene& scene, HttpReply& reply) {
                forge_certificates(scene, reply, [&](std::vector<Bytes>& all) {
                    EVP_PKEY* key = spare_key(SpareKey::stranger);
                    all.push_back(
                        ForgedCertificate::root("CN=Stranger's root", key, scene.current.certificate()).signed_by(key));
                });
            }},
    Mutator{"BAD-122", "encloses a CRL",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
                    envelope.plaintext =
                        degenerate({scene.honest->certificates.front().der()}, {empty_crl(scene.current, scene.now)});
                });
            }},
    Mutator{"BAD-123", "says PENDING", [](const Scene& scene, HttpReply& reply) { take_long(scene, reply); }},
    Mutator{"BAD-124", "encloses the certificate of another client",
            [](const Scene& scene, HttpReply& reply) {
                set_certificates(scene, reply, {another_clients(scene), scene.current.certificate().der()});
            }},
};

constexpr auto table = [] {
    std::array<Mutator, content_table.size() + issued_table.size()> all{};
    std::size_t at = 0;
    for (const Mutator& one : content_table) {
        all.at(at++) = one;
    }
    for (const Mutator& one : issued_table) {
        all.at(at++) = one;
    }
    return all;
}();

}  // namespace

Mutators certificate_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
