// Replies of real servers through the whole way from body to accepted certificate.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/request/test_pki.h"

namespace hwenroll::scep {
namespace {

using test::CapturedExchange;
using test::load_exchange;
using ::testing::HasSubstr;

struct CapturedServer {
    const char* name;
    const char* ca_set;
    LegacyPermissions needed;
    const char* subject = "CN=peer1,O=Test";
};

std::ostream& operator<<(std::ostream& out, const CapturedServer& server) {
    return out << server.name;
}

constexpr LegacyPermissions des_and_sha1{true, false, true, false};
constexpr LegacyPermissions des3_and_sha1{false, true, true, false};
constexpr LegacyPermissions only_sha1{false, false, true, false};

const CapturedServer servers[] = {{"micromdm210.41", "micromdm210.GetCACert.bin", des_and_sha1},
                                  {"micromdmHEAD.16", "", des_and_sha1, "CN=capx,O=Test"},
                                  {"step-aes.64", "step-aes.GetCACert.bin", only_sha1},
                                  {"step-aes256.70", "step-aes.GetCACert.bin", only_sha1},
                                  {"step-def.66", "step-aes.GetCACert.bin", des_and_sha1},
                                  {"jscep.97", "jscep.GetCACert.bin", des3_and_sha1}};

/// From the content of an envelope to the certificate.
Result<IssuedCertificate> accept_content(ByteView content, const IssueExpectation& issue) {
    const auto certificates = read_degenerate(content, issue.limits);
    if (!certificates) {
        return fail(certificates.error());
    }
    return accept_certificate(*certificates, issue);
}

/// From the body to the certificate, as the agent goes.
Result<IssuedCertificate> enroll(const CapturedExchange& exchange, const LegacyPermissions& legacy,
                                 const std::string& subject = "CN=peer1,O=Test") {
    ReplyExpectation expectation = exchange.expectation;
    expectation.legacy = legacy;
    IssueExpectation issue = test::issue_expectation(exchange, subject);
    issue.legacy = legacy;
    const auto reply = read_cert_rep(exchange.reply, expectation);
    if (!reply) {
        return fail(reply.error());
    }
    const auto content =
        open_envelope(reply->envelope, exchange.request_signer, exchange.key.get(), legacy, expectation.limits);
    if (!content) {
        return fail(content.error());
    }
    return accept_content(content->reveal(), issue);
}

class CapturedReply : public ::testing::TestWithParam<CapturedServer> {};

// MSG-20, ENV-10, ENV-16, DEG-3, CERT-1, CERT-2: no more permissions than the server needs.
TEST_P(CapturedReply, Q_MICRO_1_ends_in_a_certificate_for_the_captured_key) {
    const CapturedExchange exchange = load_exchange(GetParam().name, GetParam().ca_set);
    const auto issued = enroll(exchange, GetParam().needed, GetParam().subject);
    ASSERT_TRUE(issued) << issued.error().line();
    EXPECT_EQ(issued->leaf.public_key(), PublicKey::of(exchange.key.get()).value());
    EXPECT_TRUE(issued->leaf.subject().same_rdns(DistinguishedName::from_text(GetParam().subject).value()));
    EXPECT_EQ(issued->chain.size(), exchange.issuer == exchange.anchor ? 0U : 1U);
}

// CAPS-14, ALG-9, SIG-15: each permission is needed, and its lack is said by name.
TEST_P(CapturedReply, C27_CAPS_14_Q_STEP_2_is_refused_without_each_permission_that_it_needs) {
    const CapturedExchange exchange = load_exchange(GetParam().name, GetParam().ca_set);
    struct Case {
        bool LegacyPermissions::*permission;
        const char* word;
    };
    for (const auto& [permission, word] :
         {Case{&LegacyPermissions::des_cbc_reply, "des-cbc-reply"}, Case{&LegacyPermissions::des3, "des3"},
          Case{&LegacyPermissions::sha1_reply, "sha1-reply"}}) {
        LegacyPermissions reduced = GetParam().needed;
        if (!(reduced.*permission)) {
            continue;
        }
        reduced.*permission = false;
        const auto issued = enroll(exchange, reduced, GetParam().subject);
        ASSERT_FALSE(issued) << word;
        EXPECT_EQ(issued.error().code(), ErrorCode::scep_algorithm) << issued.error().line();
        EXPECT_THAT(issued.error().line(), HasSubstr(word));
    }
}

// CERT-5 with servers.md: micromdm and step-ca reverse the RDNs.
TEST_P(CapturedReply, CERT_5_is_refused_under_the_exact_subject_rule_when_the_server_changed_the_order) {
    const CapturedExchange exchange = load_exchange(GetParam().name, GetParam().ca_set);
    const auto reply = read_cert_rep(exchange.reply, exchange.expectation);
    ASSERT_TRUE(reply);
    const auto content =
        open_envelope(reply->envelope, exchange.request_signer, exchange.key.get(), test::everything_allowed(), {});
    ASSERT_TRUE(content);
    IssueExpectation exact = test::issue_expectation(exchange, GetParam().subject);
    exact.subject_rule = IssueExpectation::Subject::exact;
    const auto issued = accept_certificate(read_degenerate(content->reveal(), {}).value(), exact);
    if (std::string_view(GetParam().name) == "jscep.97") {
        EXPECT_TRUE(issued) << issued.error().line();
        return;
    }
    ASSERT_FALSE(issued);
    EXPECT_EQ(issued.error().code(), ErrorCode::scep_certificate);
    EXPECT_THAT(issued.error().line(), HasSubstr("same-rdns"));
}

// SEC-9, ENV-15: behind the outer signature too an altered octet leads to no other certificate than the intact one.
TEST_P(CapturedReply, SEC_9_ENV_15_keeps_its_envelope_safe_against_altered_octets) {
    const CapturedExchange exchange = load_exchange(GetParam().name, GetParam().ca_set);
    const Bytes envelope = read_cert_rep(exchange.reply, exchange.expectation).value().envelope;
    const IssueExpectation issue = test::issue_expectation(exchange, GetParam().subject);
    const auto accepted = [&](const Bytes& octets) -> Result<IssuedCertificate> {
        const auto content =
            open_envelope(octets, exchange.request_signer, exchange.key.get(), test::everything_allowed(), {});
        return content ? accept_content(content->reveal(), issue) : fail(content.error());
    };
    const auto intact = accepted(envelope);
    ASSERT_TRUE(intact) << intact.error().line();
    for (std::size_t at = 0; at < envelope.size(); at += 5) {
        Bytes damaged = envelope;
        damaged[at] ^= 0x10;
        const auto result = accepted(damaged);
        EXPECT_TRUE(!result || result->leaf == intact->leaf) << "octet " << at;
    }
}

std::string case_name(const ::testing::TestParamInfo<CapturedServer>& info) {
    std::string name = info.param.name;
    std::ranges::replace_if(
        name, [](char c) { return c == '.' || c == '-'; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Servers, CapturedReply, ::testing::ValuesIn(servers), case_name);

// BAD-97, ENV-17: step-ca's GCM has malformed parameters and is still named.
TEST(CapturedFailures, BAD_97_step_ca_with_gcm_is_refused_by_name) {
    const CapturedExchange exchange = load_exchange("step-gcm.68", "step-aes.GetCACert.bin");
    const auto issued = enroll(exchange, test::everything_allowed());
    ASSERT_FALSE(issued);
    EXPECT_EQ(issued.error().code(), ErrorCode::scep_algorithm) << issued.error().line();
    EXPECT_THAT(issued.error().line(), HasSubstr("gcm"));
}

// FI-2, MSG-13: a wrong challenge is a FAILURE, not an error of the protocol.
TEST(CapturedFailures, FI_2_MSG_13_a_wrong_challenge_is_reported_as_bad_request) {
    const CapturedExchange exchange = load_exchange("micromdm210-badchallenge.43", "micromdm210.GetCACert.bin");
    const auto reply = read_cert_rep(exchange.reply, exchange.expectation);
    ASSERT_TRUE(reply) << reply.error().line();
    EXPECT_EQ(reply->status, PkiStatus::failure);
    EXPECT_EQ(reply->fail_info, FailInfo::bad_request);
    EXPECT_TRUE(reply->envelope.empty());
}

// HTTP-22, HTTP-30: what servers say in plain text where a CertRep or a set should be.
TEST(CapturedFailures, HTTP_22_Q_STEP_1_a_text_is_no_reply_and_is_shown) {
    const CapturedExchange exchange = load_exchange("step-aes.64", "step-aes.GetCACert.bin");
    const auto reply = read_cert_rep(test::capture("step-aes.GetNextCACert.bin"), exchange.expectation);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::ca_not_scep);
    EXPECT_THAT(reply.error().line(), HasSubstr("begins '"));
}

// MSG-8, BAD-76: the reply to one request is none to another.
TEST(CapturedFailures, MSG_8_the_reply_to_another_request_is_refused) {
    const CapturedExchange exchange = load_exchange("step-aes.64", "step-aes.GetCACert.bin");
    const CapturedExchange other = load_exchange("step-aes256.70", "step-aes.GetCACert.bin");
    ReplyExpectation crossed = exchange.expectation;
    crossed.sender_nonce = other.expectation.sender_nonce;
    const auto reply = read_cert_rep(exchange.reply, crossed);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::scep_nonce);
}

}  // namespace
}  // namespace hwenroll::scep
