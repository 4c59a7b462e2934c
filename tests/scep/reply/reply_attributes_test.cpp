// The signed attributes of a reply (MSG-*, BAD-70 … BAD-90).
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::ForgedReply;
using test::reply_without_envelope;
using test::world;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* message_type = "2.16.840.1.113733.1.9.2";
constexpr const char* pki_status = "2.16.840.1.113733.1.9.3";
constexpr const char* fail_info = "2.16.840.1.113733.1.9.4";
constexpr const char* sender_nonce = "2.16.840.1.113733.1.9.5";
constexpr const char* recipient_nonce = "2.16.840.1.113733.1.9.6";
constexpr const char* transaction_id = "2.16.840.1.113733.1.9.7";
constexpr const char* fail_info_text = "1.3.6.1.5.5.7.24.1";
constexpr const char* microsoft_error = "1.3.6.1.4.1.311.21.33";

Result<CertRep> read(const ForgedReply& reply) {
    return read_cert_rep(reply.build(), world().expectation);
}

Bytes nonce() {
    const auto& value = world().expectation.sender_nonce.value;
    return {value.begin(), value.end()};
}

std::function<void(ForgedReply&)> with(const char* oid, Bytes value) {
    return [oid, value = std::move(value)](ForgedReply& reply) { reply.attribute(oid).values = {value}; };
}

std::function<void(ForgedReply&)> without(const char* oid) {
    return [oid](ForgedReply& reply) { reply.remove(oid); };
}

struct BadAttribute {
    const char* id;
    ErrorCode code;
    std::function<void(ForgedReply&)> spoil;
};

void expect_refused(const std::vector<BadAttribute>& cases) {
    for (const BadAttribute& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedReply reply;
        one.spoil(reply);
        const auto result = read(reply);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), one.code) << result.error().line();
    }
}

TEST(ReplyAttributes, C26_MSG_4_BAD_70_to_BAD_72_the_transaction_is_ours_to_the_letter) {
    expect_refused({
        {"BAD-70", ErrorCode::scep_transaction, with(transaction_id, asn1::printable_string("ANOTHER"))},
        {"BAD-71", ErrorCode::scep_transaction,
         with(transaction_id, asn1::printable_string("00112233445566778899aabbccddeeff"))},
        {"BAD-72", ErrorCode::scep_attribute, without(transaction_id)},
    });
}

TEST(ReplyAttributes, C26_MSG_8_MSG_10_BAD_73_to_BAD_75_the_nonce_is_ours_to_the_octet) {
    Bytes shorter = nonce();
    shorter.resize(8);
    Bytes longer = nonce();
    longer.push_back(17);
    Bytes other = nonce();
    other[15] ^= 1U;
    expect_refused({
        {"BAD-73", ErrorCode::scep_nonce, with(recipient_nonce, asn1::octet_string(other))},
        {"BAD-74", ErrorCode::scep_nonce, without(recipient_nonce)},
        {"BAD-75 prefix", ErrorCode::scep_nonce, with(recipient_nonce, asn1::octet_string(shorter))},
        {"BAD-75 extra", ErrorCode::scep_nonce, with(recipient_nonce, asn1::octet_string(longer))},
        {"BAD-75 empty", ErrorCode::scep_nonce, with(recipient_nonce, asn1::octet_string({}))},
    });
}

TEST(ReplyAttributes, MSG_9_BAD_77_a_nonce_is_an_octet_string_of_bounded_length) {
    expect_refused({
        {"BAD-77 recipientNonce", ErrorCode::scep_attribute, with(recipient_nonce, asn1::value(0x13, {nonce()}))},
        {"BAD-77 senderNonce", ErrorCode::scep_attribute, with(sender_nonce, asn1::printable_string("1234"))},
        {"MSG-9 senderNonce of 65 octets", ErrorCode::scep_attribute,
         with(sender_nonce, asn1::octet_string(Bytes(65, 1)))},
    });
}

TEST(ReplyAttributes, MSG_2_BAD_78_BAD_79_BAD_85_an_attribute_is_there_once_with_one_value) {
    expect_refused({
        {"BAD-78", ErrorCode::scep_attribute,
         [](auto& r) {
             r.attributes.push_back({pki_status, {asn1::printable_string("2")}});
         }},
        {"BAD-79", ErrorCode::scep_attribute,
         [](auto& r) { r.attribute(pki_status).values.push_back(asn1::printable_string("2")); }},
        {"BAD-85", ErrorCode::scep_attribute, [](auto& r) { r.attribute(pki_status).values.clear(); }},
    });
}

TEST(ReplyAttributes, MSG_12_BAD_80_an_unknown_status_is_refused) {
    expect_refused({
        {"BAD-80 1", ErrorCode::scep_status, with(pki_status, asn1::printable_string("1"))},
        {"BAD-80 4", ErrorCode::scep_status, with(pki_status, asn1::printable_string("4"))},
        {"BAD-80 empty", ErrorCode::scep_status, with(pki_status, asn1::printable_string(""))},
        {"BAD-80 00", ErrorCode::scep_status, with(pki_status, asn1::printable_string("00"))},
        {"BAD-80 INTEGER", ErrorCode::scep_status, with(pki_status, asn1::integer(0))},
        {"no pkiStatus", ErrorCode::scep_attribute, without(pki_status)},
    });
}

TEST(ReplyAttributes, MSG_11_BAD_81_another_message_type_is_no_reply) {
    expect_refused({
        {"BAD-81 19", ErrorCode::scep_message_type, with(message_type, asn1::printable_string("19"))},
        {"BAD-81 03", ErrorCode::scep_message_type, with(message_type, asn1::printable_string("03"))},
        {"MSG-11 blank", ErrorCode::scep_message_type, with(message_type, asn1::printable_string(" 3"))},
        {"MSG-11 NUL", ErrorCode::scep_message_type,
         with(message_type, asn1::printable_string(std::string_view("3\0", 2)))},
        {"no messageType", ErrorCode::scep_attribute, without(message_type)},
    });
}

TEST(ReplyAttributes, MSG_16_other_types_than_strings_are_refused) {
    expect_refused({
        {"MSG-16 messageType as INTEGER", ErrorCode::scep_attribute, with(message_type, asn1::integer(3))},
        {"MSG-16 transactionID as OCTET STRING", ErrorCode::scep_attribute,
         with(transaction_id, asn1::octet_string(as_bytes(world().expectation.transaction_id.value)))},
    });
}

TEST(ReplyAttributes, SEC_11_BAD_86_a_thousand_attributes_are_too_many) {
    expect_refused({
        {"BAD-86", ErrorCode::scep_structure,
         [](auto& r) {
             for (int i = 0; i < 1000; ++i) {
                 r.attributes.push_back({"1.2.3." + std::to_string(i), {asn1::null()}});
             }
         }},
    });
}

TEST(ReplyAttributes, BAD_87_a_success_without_content_is_none) {
    expect_refused({
        {"BAD-87", ErrorCode::scep_envelope, [](auto& r) { r.content.reset(); }},
    });
}

// BAD-88, Q-DOG-1
TEST(ReplyAttributes, Q_DOG_1_BAD_88_an_empty_success_is_PENDING_as_the_server_means_it) {
    ForgedReply reply;
    reply.content = Bytes{};
    const auto result = read(reply);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->status, PkiStatus::pending);
    EXPECT_THAT(result->envelope, ::testing::IsEmpty());
    EXPECT_THAT(result->warnings, ::testing::Contains(HasSubstr("Dogtag")));
}

// MSG-20: whatever else is wrong, an unverified reply is judged by its signature alone.
TEST(ReplyAttributes, MSG_20_attributes_are_not_looked_at_before_the_signature_is_good) {
    ForgedReply reply;
    reply.attribute(transaction_id).values = {asn1::printable_string("ANOTHER")};
    reply.attribute(pki_status).values = {asn1::printable_string("9")};
    reply.signature = Bytes(256, 1);
    const auto result = read(reply);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_signature);
}

// BAD-76: a reply to an earlier poll of the same transaction has another nonce.
TEST(ReplyAttributes, SEC_6_N15_BAD_76_a_replay_of_an_earlier_reply_is_refused) {
    const Bytes earlier = ForgedReply().build();
    ReplyExpectation next = world().expectation;
    next.sender_nonce.value[0] ^= 0xFFU;
    const auto result = read_cert_rep(earlier, next);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_nonce);
}

// MSG-16, MSG-17, MSG-9
TEST(ReplyAttributes, MSG_9_MSG_16_MSG_17_other_strings_and_unknown_attributes_are_tolerated) {
    ForgedReply reply;
    reply.attribute(message_type).values = {asn1::value(0x0C, {as_bytes("3")})};
    reply.attribute(pki_status).values = {asn1::value(0x16, {as_bytes("0")})};
    reply.attribute("1.2.840.113549.1.9.25.3").values = {asn1::octet_string(Bytes(16, 1))};
    reply.attribute("1.2.3.4").values = {asn1::null(), asn1::null(), asn1::null()};
    reply.attribute(sender_nonce).values = {asn1::octet_string(Bytes(8, 1))};
    const auto result = read(reply);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->warnings.size(), 2U);
    EXPECT_THAT(result->warnings, Contains(HasSubstr("messageType is not a PrintableString")));
}

// MSG-13, MSG-18, MSG-19
TEST(ReplyAttributes, MSG_18_MSG_19_failure_and_pending_come_with_several_kinds_of_nothing) {
    for (const char* status : {"2", "3"}) {
        for (const std::optional<Bytes>& content :
             {std::optional<Bytes>(), std::optional<Bytes>(Bytes{}), std::optional<Bytes>(Bytes{0})}) {
            ForgedReply reply = reply_without_envelope(status);
            reply.content = content;
            const auto result = read(reply);
            ASSERT_TRUE(result) << result.error().line();
            EXPECT_EQ(result->status, status[0] == '2' ? PkiStatus::failure : PkiStatus::pending);
            EXPECT_TRUE(result->envelope.empty());
            EXPECT_TRUE(result->warnings.empty());
        }
    }
}

// BAD-89, BAD-90
TEST(ReplyAttributes, BAD_89_BAD_90_an_envelope_that_should_not_be_there_is_never_given_out) {
    for (const char* status : {"2", "3"}) {
        ForgedReply reply = reply_without_envelope(status);
        reply.content = test::ForgedEnvelope().build();
        const auto result = read(reply);
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_TRUE(result->envelope.empty());
        EXPECT_THAT(result->warnings, Contains(HasSubstr("ignored")));
    }
}

// MSG-12, MSG-13, BAD-82, BAD-83
TEST(ReplyAttributes, MSG_12_MSG_13_BAD_82_BAD_83_a_failure_stays_one_whatever_its_reason_says) {
    const std::vector<std::pair<Bytes, std::optional<FailInfo>>> cases{
        {asn1::printable_string("0"), FailInfo::bad_alg},
        {asn1::printable_string("4"), FailInfo::bad_cert_id},
        {asn1::printable_string("9"), std::nullopt},
        {asn1::printable_string("-1"), std::nullopt},
        {asn1::printable_string(""), std::nullopt},
        {asn1::printable_string(std::string(500000, '1')), std::nullopt}};
    for (const auto& [value, expected] : cases) {
        ForgedReply reply = reply_without_envelope("2");
        reply.attribute(fail_info).values = {value};
        const auto result = read(reply);
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->status, PkiStatus::failure);
        EXPECT_EQ(result->fail_info, expected);
        EXPECT_EQ(result->warnings.empty(), expected.has_value());
    }
    ForgedReply silent = reply_without_envelope("2");
    silent.remove(fail_info);
    const auto result = read(silent);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->fail_info);
    EXPECT_THAT(result->warnings, Contains(HasSubstr("no failInfo")));
}

// MSG-14, BAD-84, SEC-14
TEST(ReplyAttributes, MSG_14_SEC_14_BAD_84_a_text_for_people_cannot_steer_their_terminal) {
    ForgedReply reply = reply_without_envelope("2");
    const std::string text = "denied\n\x1b[2J\u202Egnp \xff" + std::string(600000, 'x');
    reply.attribute(fail_info_text).values = {asn1::value(0x0C, {as_bytes(text)})};
    const auto result = read(reply);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_THAT(result->fail_info_text, HasSubstr("denied"));
    EXPECT_THAT(result->fail_info_text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(result->fail_info_text, Not(HasSubstr("\n")));
    EXPECT_THAT(result->fail_info_text, Not(HasSubstr("\u202E")));
    EXPECT_LT(result->fail_info_text.size(), 600U);
    reply.attribute(fail_info_text).values = {asn1::integer(5)};
    EXPECT_THAT(read(reply).value().warnings, Contains(HasSubstr("failInfoText")));
}

// MSG-15, Q-NDES-3: the FAILURE of NDES with its one octet of content, SHA-1 and no certificates.
TEST(ReplyAttributes, MSG_15_Q_NDES_3_the_failure_of_ndes_is_read) {
    ForgedReply reply = reply_without_envelope("2");
    reply.content = Bytes{0};
    reply.digest = "SHA1";
    reply.digest_oid = "1.3.14.3.2.26";
    reply.certificates.clear();
    reply.attribute(sender_nonce).values = {asn1::octet_string(Bytes(16, 3))};
    reply.attribute(microsoft_error).values = {asn1::printable_string("-2147024809")};
    ReplyExpectation expectation = world().expectation;
    expectation.legacy.sha1_reply = true;
    const auto result = read_cert_rep(reply.build(), expectation);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->fail_info, FailInfo::bad_request);
    ASSERT_TRUE(result->hresult);
    EXPECT_EQ(static_cast<std::uint32_t>(*result->hresult), 0x80070057U);
}

// MSG-13: lenient
TEST(ReplyAttributes, MSG_13_a_fail_info_in_a_success_is_ignored_with_a_warning) {
    ForgedReply reply;
    reply.attribute(fail_info).values = {asn1::printable_string("2")};
    const auto result = read(reply);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_FALSE(result->fail_info);
    EXPECT_EQ(result->warnings.size(), 1U);
}

}  // namespace
}  // namespace hwenroll::scep
