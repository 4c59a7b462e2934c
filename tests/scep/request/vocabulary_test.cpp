#include "transport/scep/vocabulary.h"

#include <gtest/gtest.h>

namespace hwenroll::scep {
namespace {

TEST(Vocabulary, spells_messages_as_the_RFC_does) {
    EXPECT_EQ(to_text(MessageType::pkcs_req), "PKCSReq");
    EXPECT_EQ(to_text(MessageType::renewal_req), "RenewalReq");
    EXPECT_EQ(to_text(MessageType::cert_poll), "CertPoll");
    EXPECT_EQ(to_text(MessageType::cert_rep), "CertRep");
    EXPECT_EQ(to_text(MessageType::get_cert), "GetCert");
    EXPECT_EQ(to_text(MessageType::get_crl), "GetCRL");
    EXPECT_EQ(to_text(PkiStatus::success), "SUCCESS");
    EXPECT_EQ(to_text(PkiStatus::failure), "FAILURE");
    EXPECT_EQ(to_text(PkiStatus::pending), "PENDING");
    EXPECT_EQ(to_text(FailInfo::bad_alg), "badAlg");
    EXPECT_EQ(to_text(FailInfo::bad_message_check), "badMessageCheck");
    EXPECT_EQ(to_text(FailInfo::bad_request), "badRequest");
    EXPECT_EQ(to_text(FailInfo::bad_time), "badTime");
    EXPECT_EQ(to_text(FailInfo::bad_cert_id), "badCertId");
}

TEST(Vocabulary, HTTP_1_CACERT_12_spells_operations_as_on_the_wire) {
    EXPECT_EQ(to_text(Operation::get_ca_caps), "GetCACaps");
    EXPECT_EQ(to_text(Operation::get_ca_cert), "GetCACert");
    EXPECT_EQ(to_text(Operation::get_next_ca_cert), "GetNextCACert");
    EXPECT_EQ(to_text(Operation::pki_operation), "PKIOperation");
}

TEST(Vocabulary, names_algorithms) {
    EXPECT_EQ(to_text(Digest::sha1), "SHA-1");
    EXPECT_EQ(to_text(Digest::sha256), "SHA-256");
    EXPECT_EQ(to_text(Digest::sha384), "SHA-384");
    EXPECT_EQ(to_text(Digest::sha512), "SHA-512");
    EXPECT_EQ(to_text(ContentCipher::des), "DES-CBC");
    EXPECT_EQ(to_text(ContentCipher::des3), "3DES-CBC");
    EXPECT_EQ(to_text(ContentCipher::aes128), "AES-128-CBC");
    EXPECT_EQ(to_text(ContentCipher::aes192), "AES-192-CBC");
    EXPECT_EQ(to_text(ContentCipher::aes256), "AES-256-CBC");
}

TEST(Vocabulary, MSG_5_Q_OXI_1_transaction_ids_are_32_upper_case_hexadecimal_characters) {
    const TransactionId id = transaction_id_from(
        {0x00, 0x01, 0x0A, 0xA0, 0xFF, 0x7F, 0x80, 0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34, 0x56, 0x78, 0x9A});
    EXPECT_EQ(id.value, "00010AA0FF7F80DEADBEEF123456789A");
}

TEST(Vocabulary, a_time_limit_shrinks_with_the_lifetime_down_to_a_second) {
    using std::chrono::days;
    EXPECT_EQ(for_lifetime(Seconds(300), days(365)), Seconds(300));
    EXPECT_EQ(for_lifetime(Seconds(300), Seconds(30000)), Seconds(300));
    EXPECT_EQ(for_lifetime(Seconds(300), Seconds(29900)), Seconds(299));
    EXPECT_EQ(for_lifetime(Seconds(300), Seconds(600)), Seconds(6));
    EXPECT_EQ(for_lifetime(Seconds(300), Seconds(20)), Seconds(1));
    EXPECT_EQ(for_lifetime(Seconds(0), days(365)), Seconds(1));
    EXPECT_EQ(for_lifetime(Seconds(300), Seconds(-5)), Seconds(1)) << "notAfter before notBefore";
}

}  // namespace
}  // namespace hwenroll::scep
