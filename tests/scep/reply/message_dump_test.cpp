// Messages laid open for people.
#include "transport/scep/message_dump.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/reply/reply_forge.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::issued_leaf;
using test::world;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const MessageDump& dump) {
    std::string text = dump.kind + '\n';
    for (const DumpLine& line : dump.lines) {
        text += std::string(static_cast<std::size_t>(line.level) * 2, ' ') + line.name + ": " + line.value + '\n';
    }
    for (const std::string& note : dump.notes) {
        text += "note: " + note + '\n';
    }
    return text;
}

MessageDump dump_of(const Bytes& body, EVP_PKEY* key = nullptr) {
    auto result = dump(body, key, {});
    EXPECT_TRUE(result) << result.error().line();
    return result.value_or(MessageDump{});
}

TEST(MessageDump, captured_bodies_are_recognised) {
    const std::vector<std::pair<const char*, const char*>> cases{
        {"micromdm210.41.rep.der", "CertRep SUCCESS"}, {"micromdm210-badchallenge.43.rep.der", "CertRep FAILURE"},
        {"jscep.97.req.der", "pkiMessage PKCSReq"},    {"step-aes.GetCACert.bin", "GetCACert set"},
        {"micromdm210.GetCACert.bin", "certificate"},  {"micromdm210.GetCACaps.bin", "GetCACaps"},
        {"jscep.GetCACaps.bin", "GetCACaps"},          {"step-aes.GetCACaps.bin", "GetCACaps"}};
    for (const auto& [file, kind] : cases) {
        SCOPED_TRACE(file);
        EXPECT_EQ(dump_of(test::capture(file)).kind, kind);
    }
    EXPECT_THAT(dump_of(test::capture("jscep.GetNextCACert.bin")).kind, HasSubstr("GetNextCACert"));
}

// Single DES is opened here, unlike in the agent; below-floor algorithms are told.
TEST(MessageDump, a_reply_is_opened_with_the_recipient_key) {
    const OpenSslPtr<EVP_PKEY> key = test::captured_key();
    const std::string text = text_of(dump_of(test::capture("micromdm210.41.rep.der"), key.get()));
    EXPECT_THAT(text, HasSubstr("set of certificates"));
    EXPECT_THAT(text, HasSubstr("peer1"));
    EXPECT_THAT(text, HasSubstr("pkiStatus: 0 (SUCCESS)"));
    EXPECT_THAT(text, HasSubstr("signature: intact"));
    EXPECT_THAT(text, HasSubstr("note: the digest is below the floor"));
    EXPECT_THAT(text, HasSubstr("note: the cipher is not one of AES"));
    const std::string closed = text_of(dump_of(test::capture("micromdm210.41.rep.der"), world().other_key.get()));
    EXPECT_THAT(closed, HasSubstr("not opened"));
}

// SEC-14, CSR-2: of the challenge nothing but its type and length.
TEST(MessageDump, the_challenge_password_is_never_shown) {
    const std::string challenge = "canary-challenge-8431";
    const CertificationRequest request{world().issue.subject, {"dns:web01.example.com"}, {"digitalSignature"}, {}};
    const auto csr = build_csr(request, world().client_key.get(), Secret(as_bytes(challenge)));
    ASSERT_TRUE(csr) << csr.error().line();
    const auto bare = dump_of(to_bytes(csr->reveal()));
    EXPECT_EQ(bare.kind, "CSR");
    PkiMessage message{MessageType::pkcs_req,
                       world().expectation.transaction_id,
                       {},
                       seal(csr->reveal(), world().ca, ContentCipher::aes128).value(),
                       world().request_signer,
                       Digest::sha256,
                       std::nullopt};
    const Bytes body = sign_message(message, world().client_key.get()).value();
    const auto opened = dump_of(body, world().ca_key.get());
    EXPECT_EQ(opened.kind, "pkiMessage PKCSReq");
    for (const std::string& text : {text_of(bare), text_of(opened)}) {
        EXPECT_THAT(text, HasSubstr("challengePassword: (PRINTABLESTRING of 21 octets, not shown)"));
        EXPECT_THAT(text, HasSubstr("web01.example.com"));
        EXPECT_THAT(text, Not(HasSubstr("canary")));
        EXPECT_THAT(text, Not(HasSubstr(to_hex(as_bytes("canary")))));
    }
}

TEST(MessageDump, names_in_a_poll_are_shown) {
    const Bytes names = cert_poll_data(world().ca.subject(), world().issue.subject);
    PkiMessage message{MessageType::cert_poll,
                       world().expectation.transaction_id,
                       {},
                       seal(names, world().ca, ContentCipher::aes256).value(),
                       world().request_signer,
                       Digest::sha256,
                       std::nullopt};
    const std::string text =
        text_of(dump_of(sign_message(message, world().client_key.get()).value(), world().ca_key.get()));
    EXPECT_THAT(text, HasSubstr("pkiMessage CertPoll"));
    EXPECT_THAT(text, HasSubstr("issuer: CN=Test CA,O=Example"));
}

/// A RenewalReq by `signer`, whose key is the client's, for the key of another client.
Bytes renewal_by(const Certificate& signer) {
    const CertificationRequest request{world().issue.subject, {}, {"digitalSignature"}, {}};
    const auto csr = build_csr(request, world().other_key.get(), {});
    const PkiMessage message{MessageType::renewal_req,
                             world().expectation.transaction_id,
                             {},
                             seal(csr->reveal(), world().ca, ContentCipher::aes128).value(),
                             signer,
                             Digest::sha256,
                             std::nullopt};
    return sign_message(message, world().client_key.get()).value();
}

// SIG-3, REN-3: a renewal is named, with its signer and what it asks for.
TEST(MessageDump, a_RenewalReq_is_recognised_and_opened) {
    const MessageDump result = dump_of(renewal_by(issued_leaf()), world().ca_key.get());
    EXPECT_EQ(result.kind, "pkiMessage RenewalReq");
    EXPECT_THAT(result.notes, ::testing::IsEmpty());
    const std::string text = text_of(result);
    EXPECT_THAT(text, HasSubstr("messageType: 17"));
    EXPECT_THAT(text, HasSubstr("signature: intact"));
    EXPECT_THAT(text, HasSubstr("content: CSR"));
    EXPECT_THAT(text, HasSubstr(to_hex(sha256(PublicKey::of(world().other_key.get())->spki()))));
}

TEST(MessageDump, SIG_3_a_RenewalReq_by_a_self_signed_certificate_is_noted) {
    // We do not make one, so the type of a PKCSReq is changed; its signature then is none.
    const PkiMessage first{MessageType::pkcs_req,
                           world().expectation.transaction_id,
                           {},
                           seal(as_bytes("0"), world().ca, ContentCipher::aes128).value(),
                           world().request_signer,
                           Digest::sha256,
                           std::nullopt};
    Bytes body = sign_message(first, world().client_key.get()).value();
    const Bytes type{0x13, 0x02, '1', '9'};
    const auto at = std::search(body.begin(), body.end(), type.begin(), type.end());
    ASSERT_NE(at, body.end());
    *(at + 3) = '7';
    const MessageDump result = dump_of(body);
    EXPECT_EQ(result.kind, "pkiMessage RenewalReq");
    EXPECT_THAT(result.notes, Contains(HasSubstr("self-signed")));
}

TEST(MessageDump, deviations_are_noted) {
    test::ForgedReply reply;
    reply.signers = 2;
    reply.attribute("2.16.840.1.113733.1.9.2").values = {asn1::value(0x0C, {as_bytes("3")})};
    Bytes body = reply.build();
    body.push_back(0x0A);
    const MessageDump result = dump_of(body);
    EXPECT_THAT(result.notes, Contains(HasSubstr("messageType is not a PrintableString")));
    EXPECT_THAT(result.notes, Contains(HasSubstr("2 signers")));
    EXPECT_THAT(result.notes, Contains(HasSubstr("octets behind the message")));
}

TEST(MessageDump, malformed_input_is_located) {
    Bytes cut = test::ForgedReply().build();
    cut.resize(cut.size() - 5);
    const Bytes indefinite{0x30, 0x80, 0x02, 0x01, 0x01};
    const std::vector<Bytes> cases{cut,
                                   indefinite,
                                   {},
                                   to_bytes(as_bytes("<html>")),
                                   asn1::sequence({asn1::null()}),
                                   to_bytes(as_bytes("hello\x1b[2J"))};
    for (const Bytes& body : cases) {
        const auto result = dump(body, nullptr, {});
        ASSERT_FALSE(result) << text_of(*result);
        EXPECT_EQ(result.error().code(), ErrorCode::scep_structure);
        EXPECT_THAT(result.error().line(), HasSubstr("octet"));
        EXPECT_THAT(result.error().line(), Not(HasSubstr("\x1b")));
    }
}

// SEC-18: nothing that is dumped may crash the program, whatever is altered.
TEST(MessageDump, altered_messages_never_crash_it) {
    const OpenSslPtr<EVP_PKEY> key = test::captured_key();
    for (const char* file : {"jscep.97.rep.der", "step-aes.64.req.der", "micromdm210.GetCACert.bin"}) {
        const Bytes original = test::capture(file);
        for (std::size_t at = 0; at < original.size(); at += 13) {
            Bytes damaged = original;
            damaged[at] ^= 0x21;
            const auto result = dump(damaged, key.get(), {});
            EXPECT_TRUE(!result || !result->kind.empty());
        }
    }
}

}  // namespace
}  // namespace hwenroll::scep
