// BAD-87 to BAD-103: the envelope of a SUCCESS.
#include <algorithm>
#include <array>
#include <span>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/forged_certificate.h"
#include "tests/lab_ca/mutation.h"
#include "tests/lab_ca/mutator_tables.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

constexpr std::size_t rsa_octets = 256;

/// A ciphertext of three blocks that nobody made.
Bytes some_ciphertext(std::size_t size = 48) {
    return Bytes(size, 0x3c);
}

void say_cipher(const Scene& scene, HttpReply& reply, const char* type) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) { envelope.cipher_oid = type; });
}

void say_iv(const Scene& scene, HttpReply& reply, const Bytes& parameters) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) { envelope.cipher_parameters = parameters; });
}

void say_ciphertext(const Scene& scene, HttpReply& reply, const Bytes& ciphertext) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) { envelope.ciphertext = ciphertext; });
}

void say_encrypted_key(const Scene& scene, HttpReply& reply, std::size_t size) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
        Bytes number(size, 0x5a);
        number.front() = 0;  // less than any modulus of that size
        envelope.encrypted_key = std::move(number);
    });
}

/// The honest reply under another pkiStatus, its envelope kept.
void say_status(const Scene& scene, HttpReply& reply, const char* status, const char* fail_info) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        data.attribute(oid::pki_status).values = {der::printable(status)};
        if (fail_info != nullptr) {
            data.attribute(oid::fail_info).values = {der::printable(fail_info)};
        }
    });
}

void add_first_recipient(const Scene& scene, HttpReply& reply) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
        ForgedEnvelope other = envelope;
        other.recipient_id = issuer_and_serial_of(scene.current.certificate());
        envelope.more_recipients = {
            other.recipient_info(rsa_encrypted(scene.current.certificate().public_key(), Bytes(16, 0x61)))};
    });
}

/// The sender's point in a key agreement on P-256 (SEC 1 §2.3.3, in a BIT STRING): its octets behind the 04, or
/// nothing.
std::span<std::uint8_t> originator_point(Bytes& envelope) {
    constexpr std::array<std::uint8_t, 4> header{0x03, 0x42, 0x00, 0x04};
    constexpr std::size_t coordinates = 64;
    const std::span<std::uint8_t> whole(envelope);
    const auto [begin, end] = std::ranges::search(whole, header);
    const auto behind = static_cast<std::size_t>(std::distance(whole.begin(), end));
    if (begin == end || whole.size() - behind < coordinates) {
        return {};
    }
    return whole.subspan(behind, coordinates);
}

/// What is agreed upon with the point spoilt by `edit`; a reply by key transport stays as it is.
template <class Edit>
void spoil_point(const Scene& scene, HttpReply& reply, Edit edit) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        if (data.content) {
            edit(originator_point(*data.content));
        }
    });
}

constexpr std::array table{
    Mutator{"BAD-87", "says SUCCESS without content",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.content.reset(); });
            }},
    Mutator{"BAD-88", "says SUCCESS with an envelope of no octets",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) { data.content = Bytes{}; });
            }},
    Mutator{"BAD-89", "says PENDING with an envelope",
            [](const Scene& scene, HttpReply& reply) { say_status(scene, reply, "3", nullptr); }},
    Mutator{"BAD-90", "says FAILURE with an envelope and the certificate",
            [](const Scene& scene, HttpReply& reply) { say_status(scene, reply, "2", "2"); }},
    Mutator{"BAD-91", "encrypts for another certificate",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
                    envelope.recipient_id = issuer_and_serial_of(scene.current.certificate());
                });
            }},
    Mutator{"BAD-92", "encrypts for the CA first and for the client second",
            [](const Scene& scene, HttpReply& reply) { add_first_recipient(scene, reply); }},
    Mutator{"BAD-93", "has an encrypted key without padding",
            [](const Scene& scene, HttpReply& reply) { say_encrypted_key(scene, reply, rsa_octets); }},
    Mutator{"BAD-94", "has a content key of eight octets",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [](ForgedEnvelope& envelope) { envelope.sent_key = Bytes(8, 0x61); });
            }},
    Mutator{"BAD-95", "has a ciphertext without padding",
            [](const Scene& scene, HttpReply& reply) { say_ciphertext(scene, reply, some_ciphertext()); }},
    Mutator{"BAD-95b", "has a ciphertext that ends within a block",
            [](const Scene& scene, HttpReply& reply) { say_ciphertext(scene, reply, some_ciphertext(47)); }},
    Mutator{"BAD-95c", "has an empty ciphertext",
            [](const Scene& scene, HttpReply& reply) { say_ciphertext(scene, reply, {}); }},
    Mutator{"BAD-96", "says single DES",
            [](const Scene& scene, HttpReply& reply) { say_cipher(scene, reply, "1.3.14.3.2.7"); }},
    Mutator{"BAD-97", "says RC2",
            [](const Scene& scene, HttpReply& reply) { say_cipher(scene, reply, "1.2.840.113549.3.2"); }},
    Mutator{"BAD-97b", "says AES-GCM",
            [](const Scene& scene, HttpReply& reply) { say_cipher(scene, reply, "2.16.840.1.101.3.4.1.6"); }},
    Mutator{"BAD-97c", "is an AuthEnvelopedData",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply,
                               [](ForgedEnvelope& envelope) { envelope.type = "1.2.840.113549.1.9.16.1.23"; });
            }},
    Mutator{"BAD-97d", "says a cipher that nobody knows",
            [](const Scene& scene, HttpReply& reply) { say_cipher(scene, reply, "1.2.3.4"); }},
    Mutator{"BAD-98", "has no IV", [](const Scene& scene, HttpReply& reply) { say_iv(scene, reply, {}); }},
    Mutator{"BAD-98b", "has an IV of eight octets",
            [](const Scene& scene, HttpReply& reply) { say_iv(scene, reply, der::octet_string(Bytes(8, 1))); }},
    Mutator{"BAD-98c", "has an IV of no octets",
            [](const Scene& scene, HttpReply& reply) { say_iv(scene, reply, der::octet_string({})); }},
    Mutator{"BAD-98d", "has an IV of 4,000 octets",
            [](const Scene& scene, HttpReply& reply) { say_iv(scene, reply, der::octet_string(Bytes(4000, 1))); }},
    Mutator{"BAD-99", "says OAEP without parameters of a PKCS#1 v1.5 ciphertext",
            [](const Scene& scene, HttpReply& reply) {
                forge_envelope(scene, reply, [](ForgedEnvelope& envelope) {
                    envelope.transport_oid = "1.2.840.113549.1.1.7";
                    envelope.transport_parameters.clear();
                });
            }},
    Mutator{"BAD-102", "agrees with a point that is not on the curve, for an EC key",
            [](const Scene& scene, HttpReply& reply) {
                spoil_point(scene, reply, [](std::span<std::uint8_t> point) {
                    if (!point.empty()) {
                        point.back() ^= 1U;
                    }
                });
            }},
    Mutator{"BAD-102b", "agrees with the point 0, 0",
            [](const Scene& scene, HttpReply& reply) {
                spoil_point(scene, reply, [](std::span<std::uint8_t> point) { std::ranges::fill(point, 0); });
            }},
    Mutator{"BAD-103", "has an encrypted key that is longer than the modulus",
            [](const Scene& scene, HttpReply& reply) { say_encrypted_key(scene, reply, rsa_octets + 44); }},
};

}  // namespace

Mutators envelope_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
