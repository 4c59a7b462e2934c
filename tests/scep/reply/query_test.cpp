// GetCert and GetCRL: what is asked and which answers count (QRY-1 … QRY-5, MSG-23, BAD-135 … BAD-137).
#include "transport/scep/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/crl_forge.h"
#include "tests/scep/reply/reply_forge.h"
#include "transport/scep/pki_message.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Query, MSG_23_QRY_2_names_the_certificate_by_the_CAs_name_and_its_serial) {
    const Certificate leaf = test::issued_leaf();
    const Bytes data = issuer_and_serial_data(test::world().ca.subject(), leaf.serial());
    EXPECT_EQ(data, test::issuer_and_serial(leaf));
    EXPECT_EQ(issuer_and_serial_data(DistinguishedName(), Bytes{0x80}),
              test::asn1::sequence({DistinguishedName().der(), Bytes{0x02, 0x02, 0x00, 0x80}}));
}

TEST(Query, MSG_21_a_signed_query_has_its_type_and_the_queries_content) {
    for (const MessageType type : {MessageType::get_cert, MessageType::get_crl}) {
        const auto& world = test::world();
        const Bytes data = issuer_and_serial_data(world.ca.subject(), world.request_signer.serial());
        auto envelope = seal(data, world.request_signer, ContentCipher::aes128);
        ASSERT_TRUE(envelope) << envelope.error().line();
        const PkiMessage message{type, {"1A"}, {}, *envelope, world.request_signer, Digest::sha256, test::present()};
        const auto der = sign_message(message, world.client_key.get());
        ASSERT_TRUE(der) << der.error().line();
        const auto read = parse_signed_data(*der, {});
        ASSERT_TRUE(read);
        const auto attribute = std::ranges::find_if(
            read->signers[0].attributes, [](const Attribute& one) { return one.oid == "2.16.840.1.113733.1.9.2"; });
        EXPECT_EQ(as_text(attribute->values[0].content), type == MessageType::get_cert ? "21" : "22");
        const auto opened = open_envelope(*read->content, world.request_signer, world.client_key.get(), {}, {});
        ASSERT_TRUE(opened) << opened.error().line();
        EXPECT_TRUE(equal(opened->reveal(), data));
    }
}

TEST(Query, BAD_136_QRY_1_PENDING_is_no_answer_to_a_query) {
    const auto reply = read_query_reply(test::reply_without_envelope("3").build(), test::world().expectation);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::scep_status);
}

TEST(Query, QRY_1_FAILURE_is_one) {
    const auto reply = read_query_reply(test::reply_without_envelope("2").build(), test::world().expectation);
    ASSERT_TRUE(reply) << reply.error().line();
    EXPECT_EQ(reply->status, PkiStatus::failure);
}

TEST(AcceptQueried, QRY_3_takes_the_certificate_that_was_asked_for) {
    const Certificate leaf = test::issued_leaf();
    const WantedCertificate wanted{test::world().ca, leaf.serial(), leaf.public_key()};
    const auto found = accept_queried({test::world().ca, leaf}, wanted);
    ASSERT_TRUE(found) << found.error().line();
    EXPECT_EQ(*found, leaf);
}

TEST(AcceptQueried, BAD_135_another_serial_is_none) {
    const Certificate leaf = test::issued_leaf();
    Bytes serial = leaf.serial();
    serial.back() ^= 1;
    const auto found = accept_queried({leaf}, {test::world().ca, serial});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), ErrorCode::scep_no_certificate);
    EXPECT_THAT(found.error().line(), HasSubstr(to_hex(leaf.serial())));
    EXPECT_EQ(accept_queried({}, {test::world().ca, serial}).error().code(), ErrorCode::scep_no_certificate);
}

TEST(AcceptQueried, QRY_3_another_CAs_or_anothers_key_is_refused) {
    const auto& world = test::world();
    const Certificate forged = test::issued(test::leaf_spec(), world.client_key, world.ca, world.other_key);
    EXPECT_EQ(accept_queried({forged}, {world.ca, forged.serial()}).error().code(), ErrorCode::scep_chain);
    const Certificate leaf = test::issued_leaf();
    EXPECT_EQ(accept_queried({leaf}, {world.ca, leaf.serial(), world.other.public_key()}).error().code(),
              ErrorCode::scep_key_mismatch);
}

TEST(ReadDegenerateCrl, QRY_5_takes_the_one_list) {
    const Bytes crl = test::ForgedCrl{}.build();
    const auto received = read_degenerate_crl(test::degenerate({}, {crl}), {});
    ASSERT_TRUE(received) << received.error().line();
    EXPECT_EQ(received->der, crl);
    EXPECT_THAT(received->warnings, IsEmpty());
}

TEST(ReadDegenerateCrl, QRY_5_certificates_beside_it_are_told) {
    const auto received =
        read_degenerate_crl(test::degenerate({test::world().ca.der()}, {test::ForgedCrl{}.build()}), {});
    ASSERT_TRUE(received) << received.error().line();
    EXPECT_THAT(received->warnings, ElementsAre(HasSubstr("1 certificates beside the CRL")));
}

TEST(ReadDegenerateCrl, BAD_137_a_certificate_and_no_list_is_an_error) {
    for (const Bytes& content : {test::degenerate({test::world().ca.der()}), test::degenerate({})}) {
        const auto received = read_degenerate_crl(content, {});
        ASSERT_FALSE(received);
        EXPECT_EQ(received.error().code(), ErrorCode::crl_unusable);
    }
    const Bytes crl = test::ForgedCrl{}.build();
    EXPECT_EQ(read_degenerate_crl(test::degenerate({}, {crl, crl}), {}).error().code(), ErrorCode::crl_unusable);
    EXPECT_EQ(read_degenerate_crl(crl, {}).error().code(), ErrorCode::scep_inner);
}

}  // namespace
}  // namespace hwenroll::scep
