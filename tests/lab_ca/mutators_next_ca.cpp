// BAD-125 to BAD-134: the CA's successor, and what it issues.
#include <array>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/forged_certificate.h"
#include "tests/lab_ca/mutation.h"
#include "tests/lab_ca/mutator_tables.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

const Certificate& ca_of(const Scene& scene) {
    return scene.current.certificate();
}

/// The successor in parts; a stranger's key, so that it can be signed by itself.
ForgedCertificate other_successor(const Scene& scene, SpareKey key = SpareKey::stranger) {
    ForgedCertificate next = ForgedCertificate::of(scene.next->certificate());
    next.key = PublicKey::of(spare_key(key)).value().spki();
    next.remove_extension(extension_type::subject_key_identifier);
    return next;
}

Bytes self_signed(const ForgedCertificate& root, SpareKey key = SpareKey::stranger) {
    return root.signed_by(spare_key(key));
}

/// What GetNextCACert wants (RFC 8894 §4.7.1), signed by the current CA after `edit`.
template <class Edit>
void nest(const Scene& scene, HttpReply& reply, const std::vector<Bytes>& certificates, Edit edit) {
    ForgedSignedData data;
    data.content = degenerate(certificates);
    data.sign_as(ca_of(scene), scene.current.key());
    edit(data);
    reply.body = data.build();
}

void nest(const Scene& scene, HttpReply& reply, const std::vector<Bytes>& certificates) {
    nest(scene, reply, certificates, [](ForgedSignedData&) {});
}

/// Applies `change` where there is a successor at all.
template <class Change>
void where_known(const Scene& scene, HttpReply& reply, Change change) {
    if (scene.next != nullptr) {
        change(scene.next->certificate().der());
    } else {
        reply.status = 404;
    }
}

void nest_edited(const Scene& scene, HttpReply& reply, void (*edit)(const Scene&, ForgedCertificate&),
                 SpareKey key = SpareKey::stranger) {
    where_known(scene, reply, [&](const Bytes&) {
        ForgedCertificate next = other_successor(scene, key);
        edit(scene, next);
        nest(scene, reply, {self_signed(next, key)});
    });
}

void sign_by_stranger(const Scene& scene, ForgedSignedData& data) {
    EVP_PKEY* key = spare_key(SpareKey::stranger);
    ForgedCertificate root = ForgedCertificate::of(ca_of(scene));
    root.key = PublicKey::of(key).value().spki();
    root.set_serial(Bytes{0x66});
    data.sign_as(root.certificate(key), key);
}

void issue_by_current(const Scene& scene, HttpReply& reply) {
    forge_certificates(scene, reply, [&](std::vector<Bytes>& all) {
        ForgedCertificate issued = ForgedCertificate::of(scene.honest->certificates.front());
        issued.issuer = ca_of(scene).subject().der();
        issued.remove_extension(extension_type::authority_key_identifier);
        issued.set_validity(scene.now, ca_of(scene).not_after());
        all = {issued.signed_by(scene.current.key()), ca_of(scene).der()};
    });
}

constexpr std::array table{
    Mutator{"BAD-125", "sends the successor unsigned",
            [](const Scene& scene, HttpReply& reply) {
                where_known(scene, reply, [&](const Bytes& next) { reply.body = degenerate({next}); });
            }},
    Mutator{"BAD-126", "signs it by a stranger of the CA's name",
            [](const Scene& scene, HttpReply& reply) {
                where_known(scene, reply, [&](const Bytes& next) {
                    nest(scene, reply, {next}, [&](ForgedSignedData& data) { sign_by_stranger(scene, data); });
                });
            }},
    Mutator{"BAD-126b", "signs it by itself",
            [](const Scene& scene, HttpReply& reply) {
                where_known(scene, reply, [&](const Bytes& next) {
                    nest(scene, reply, {next},
                         [&](ForgedSignedData& data) { data.sign_as(scene.next->certificate(), scene.next->key()); });
                });
            }},
    Mutator{"BAD-127", "sends a stranger's CA outside of what is signed",
            [](const Scene& scene, HttpReply& reply) {
                where_known(scene, reply, [&](const Bytes& next) {
                    nest(scene, reply, {next}, [&](ForgedSignedData& data) {
                        data.certificates.push_back(self_signed(other_successor(scene)));
                    });
                });
            }},
    Mutator{"BAD-128", "sends the successor outside of what is signed alone",
            [](const Scene& scene, HttpReply& reply) {
                where_known(scene, reply, [&](const Bytes& next) {
                    nest(scene, reply, {}, [&](ForgedSignedData& data) {
                        data.content.reset();
                        data.certificates.push_back(next);
                    });
                });
            }},
    Mutator{"BAD-129", "sends the current CA as its successor",
            [](const Scene& scene, HttpReply& reply) { nest(scene, reply, {ca_of(scene).der()}); }},
    Mutator{"BAD-130", "sends an expired successor",
            [](const Scene& scene, HttpReply& reply) {
                nest_edited(scene, reply, [](const Scene& at, ForgedCertificate& next) {
                    next.set_validity(ca_of(at).not_before(), at.now - std::chrono::days(1));
                });
            }},
    Mutator{"BAD-130b", "sends a successor that is no CA",
            [](const Scene& scene, HttpReply& reply) {
                nest_edited(scene, reply, [](const Scene&, ForgedCertificate& next) {
                    next.set_extension(extension_type::basic_constraints, true, der::sequence({}));
                });
            }},
    Mutator{"BAD-130c", "sends a successor with an RSA key of 1024 bits",
            [](const Scene& scene, HttpReply& reply) {
                nest_edited(
                    scene, reply, [](const Scene&, ForgedCertificate&) {}, SpareKey::rsa_1024);
            }},
    Mutator{"BAD-131", "sends what was the CA's successor once: older than the CA",
            [](const Scene& scene, HttpReply& reply) {
                nest_edited(scene, reply, [](const Scene& at, ForgedCertificate& next) {
                    next.set_validity(ca_of(at).not_before() - std::chrono::days(365),
                                      ca_of(at).not_after() - std::chrono::days(1));
                });
            }},
    Mutator{"BAD-132", "sends a successor with the CA's issuer and serial number",
            [](const Scene& scene, HttpReply& reply) {
                nest_edited(scene, reply, [](const Scene& at, ForgedCertificate& next) {
                    const ForgedCertificate own = ForgedCertificate::of(ca_of(at));
                    next.serial = own.serial;
                    next.issuer = own.issuer;
                    next.subject = own.subject;
                });
            }},
    Mutator{"BAD-133", "has the old CA issue what was asked of its successor",
            [](const Scene& scene, HttpReply& reply) { issue_by_current(scene, reply); }},
    Mutator{"BAD-134", "says application/x-x509-ca-ra-cert",
            [](const Scene&, HttpReply& reply) { reply.content_type = "application/x-x509-ca-ra-cert"; }},
};

}  // namespace

Mutators next_ca_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
