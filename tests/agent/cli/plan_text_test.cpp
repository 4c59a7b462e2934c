// What `hwenroll plan` says, foretold by the machine itself from states that a test makes.
#include "agent/cli/plan_text.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "agent/config/configuration_reader.h"
#include "base/openssl_ptr.h"

namespace hwenroll::test {
namespace {

using cli::PlanText;
using cli::to_text;
using std::chrono::hours;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr TimePoint now{std::chrono::sys_days(std::chrono::year(2027) / 3 / 1)};
constexpr Seconds day = hours(24);

const char* const configured = R"([token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
[ca.corp]
url = ["http://one.example.com/scep", "http://two.example.com/scep"]
fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)";

/// SubjectPublicKeyInfo.
Bytes some_rsa_key() {
    const OpenSslPtr<EVP_PKEY> key(EVP_RSA_gen(1024));
    Bytes spki(static_cast<std::size_t>(i2d_PUBKEY(key.get(), nullptr)));
    unsigned char* end = spki.data();
    i2d_PUBKEY(key.get(), &end);
    return spki;
}

class Plan : public testing::Test {
 protected:
    void configure(const std::string& ca_lines, const std::string& identity_lines) {
        const std::string text = std::string(configured) + ca_lines +
                                 "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\n"
                                 "subject = \"CN=web01.example.com,O=Example\"\n" +
                                 identity_lines;
        auto read = config::read_configuration({{"hwenroll.toml", text}}, {});
        ASSERT_TRUE(read) << read.error().line();
        configuration_ = *std::move(read);
        if (configuration_.findings.empty()) {
            auto stored = runtime::read_stored(configuration_, identity(), nullptr, now);
            ASSERT_TRUE(stored);
            stored_ = *std::move(stored);
        }
    }
    [[nodiscard]] const config::IdentitySettings& identity() const { return configuration_.identities.at("web"); }
    [[nodiscard]] PlanText plan(bool agent_runs = true) const {
        return cli::plan_text({configuration_, now, agent_runs}, identity(), stored_,
                              runtime::forecast(configuration_, identity(), stored_, now));
    }
    /// Published, with 100 days of which so many have passed.
    void publish(Seconds passed) {
        lifecycle::Credential current;
        current.key = {Bytes(16, 0xAB), some_rsa_key()};
        current.issued.not_before = now - passed;
        current.issued.not_after = current.issued.not_before + 100 * day;
        current.issued.anchors = {Bytes{1}};
        current.generation = 1;
        current.published_at = current.issued.not_before;
        current.name_mark = stored_.policy.name_mark;
        current.content_mark = stored_.policy.content_mark;
        stored_.state.current = current;
        stored_.state.last_generation = 1;
        stored_.state.phase = lifecycle::Phase::valid;
        stored_.policy.authority.anchor = {1};
        stored_.policy.authority.not_before = now - 1000 * day;
        stored_.policy.authority.not_after = now + 3000 * day;
    }
    static std::string value(const PlanText& plan, const std::string& key) {
        for (const auto& field : plan.fields) {
            if (field.key == key) {
                std::string all;
                for (const std::string& one : field.values) {
                    all += (all.empty() ? "" : "\n") + one;
                }
                return all;
            }
        }
        return {};
    }

    config::Configuration configuration_;
    runtime::StoredIdentity stored_;
};

TEST_F(Plan, of_a_first_enrollment_says_all_that_would_be_sent_and_how_the_answer_is_judged) {
    configure("challenge = \"file:/etc/hwenroll/corp.challenge\"\n",
              "san = [\"dns:web01.example.com\"]\non_change = [[\"/usr/bin/systemctl\", \"reload\", \"nginx\"]]\n"
              "verify = { tls = \"127.0.0.1:443\" }\n");
    const PlanText first = plan();
    EXPECT_EQ(first.summary, "first enrollment: now");
    EXPECT_TRUE(first.sends);
    EXPECT_EQ(first.at, now);
    EXPECT_EQ(value(first, "message_type"), "PKCSReq") << "whatever the CA announces";
    EXPECT_EQ(value(first, "key"), "a new rsa:2048 on token 'lab' (pkcs11:token=lab)");
    EXPECT_THAT(value(first, "signed_by"), StartsWith("the new key"));
    EXPECT_EQ(value(first, "challenge"), "yes, read from file:/etc/hwenroll/corp.challenge when it is made");
    EXPECT_EQ(value(first, "subject"), "CN=web01.example.com,O=Example");
    EXPECT_EQ(value(first, "san"), "dns:web01.example.com");
    EXPECT_THAT(value(first, "urls"),
                AllOf(HasSubstr("http://one.example.com/scep\n"), HasSubstr("http://two.example.com/scep")));
    EXPECT_THAT(value(first, "algorithms"), HasSubstr("GetCACaps"));
    EXPECT_THAT(value(first, "checks"), AllOf(HasSubstr("public key is the one"), HasSubstr("RDNs asked for"),
                                              HasSubstr("at least those asked for"), HasSubstr("it lives for 1 h")));
    EXPECT_THAT(value(first, "publication"),
                AllOf(HasSubstr("/var/lib/hwenroll/live/web/current becomes generation 1"),
                      HasSubstr("run /usr/bin/systemctl reload nginx"), HasSubstr("127.0.0.1:443")));
    EXPECT_EQ(value(first, "agent"), "");
    EXPECT_THAT(value(plan(false), "agent"), HasSubstr("hwenrolld does not run"));
}

TEST_F(Plan, text_fits_80_columns) {
    configure("challenge = \"exec:/usr/local/bin/challenge\"\n", "san = [\"dns:web01.example.com\"]\n");
    std::istringstream lines(to_text(plan(false)));
    int wide = 0;
    for (std::string line; std::getline(lines, line);) {
        wide += line.size() > 80 ? 1 : 0;
        EXPECT_LE(line.size(), 80U) << line;
    }
    EXPECT_EQ(wide, 0);
    EXPECT_THAT(value(plan(), "challenge"), HasSubstr("counts as good for one use"));
}

TEST_F(Plan, of_a_valid_certificate_says_when_it_is_renewed_and_by_which_key) {
    configure("", "renew_jitter = \"0%\"\n");
    publish(10 * day);
    const PlanText renewal = plan();
    EXPECT_EQ(renewal.at, now + 65 * day);
    EXPECT_THAT(renewal.summary, AllOf(StartsWith("renewal: 2027-05-05T00:00:00Z"), HasSubstr("in 65 d")));
    EXPECT_EQ(value(renewal, "message_type"), "RenewalReq if the CA announces Renewal, else PKCSReq");
    EXPECT_THAT(value(renewal, "signed_by"), HasSubstr("current certificate's key ABABAB"));
    EXPECT_THAT(value(renewal, "challenge"), StartsWith("no"));
    EXPECT_THAT(value(renewal, "checks"), HasSubstr("ends later than the current one"));
    EXPECT_THAT(value(renewal, "publication"), HasSubstr("generation 2"));
}

TEST_F(Plan, SM_15_of_a_held_identity_says_why_and_what_ends_it) {
    configure("", "");
    stored_.state.enrollment = lifecycle::Enrollment{};
    stored_.state.enrollment->key = {Bytes(16, 1), Bytes{0x30, 0x00}};
    stored_.state.enrollment->request_mark = stored_.policy.request_mark;
    stored_.state.hold = lifecycle::Hold{lifecycle::HoldReason::rejected, stored_.policy.configuration_mark};
    stored_.state.wait = {lifecycle::WaitingFor::operator_, now + day};
    stored_.state.failure = lifecycle::FailureRecord{ErrorCode::ca_rejected, "E-CA-REJECTED web: badRequest", now};
    stored_.state.phase = lifecycle::Phase::held;
    const PlanText held = plan();
    EXPECT_THAT(held.summary, AllOf(HasSubstr("held (rejected)"), HasSubstr("in 1 d")));
    EXPECT_EQ(held.at, now + day);
    EXPECT_EQ(value(held, "last_error"), "E-CA-REJECTED web: badRequest");
    EXPECT_THAT(value(held, "waits_for"), HasSubstr("hwenroll resume"));
}

TEST_F(Plan, RT_7_of_a_pending_request_says_when_the_ca_is_asked_again) {
    configure("", "");
    stored_.state.enrollment = lifecycle::Enrollment{};
    stored_.state.enrollment->key = {Bytes(16, 1), Bytes{0x30, 0x00}};
    stored_.state.enrollment->request_mark = stored_.policy.request_mark;
    stored_.state.enrollment->transaction = lifecycle::Transaction{};
    stored_.state.enrollment->transaction->id.value = "ABC123";
    stored_.state.enrollment->transaction->pending = true;
    stored_.state.enrollment->transaction->prepared_at = now;
    stored_.state.enrollment->transaction->configuration_mark = stored_.policy.configuration_mark;
    stored_.state.wait = {lifecycle::WaitingFor::ca, now + Seconds(600)};
    stored_.state.phase = lifecycle::Phase::pending;
    const PlanText pending = plan();
    EXPECT_THAT(pending.summary, AllOf(HasSubstr("is pending"), HasSubstr("in 10 min")));
    EXPECT_EQ(value(pending, "message_type"), "CertPoll");
    EXPECT_EQ(value(pending, "transaction"), "ABC123");
}

TEST_F(Plan, ENV_12_of_an_ec_identity_says_how_the_reply_reaches_it) {
    configure("envelope = \"token-rsa\"\nchallenge = \"file:/c\"\n", "key = \"ec:p256\"\n");
    const PlanText ec = plan();
    EXPECT_THAT(value(ec, "reply"), HasSubstr("each renewal is a PKCSReq with a challenge"));
    EXPECT_THAT(value(ec, "signed_by"), HasSubstr("RSA envelope key"));
    EXPECT_THAT(value(ec, "steps"), HasSubstr("make the RSA key that opens the reply"));
}

TEST_F(Plan, ENV_13_F10_a_challenge_for_one_use_with_an_ec_key_is_told_with_its_reason) {
    configure("envelope = \"password\"\nchallenge = \"exec:/usr/local/bin/challenge\"\n", "key = \"ec:p256\"\n");
    ASSERT_THAT(configuration_.findings, SizeIs(1));
    const PlanText disabled = cli::disabled_plan("web", configuration_.findings.front().error);
    EXPECT_FALSE(disabled.sends);
    EXPECT_THAT(value(disabled, "obstacle"), AllOf(HasSubstr("counts as good for one use"),
                                                   HasSubstr("its replies are encrypted under the challenge")));
    EXPECT_THAT(to_text(disabled), HasSubstr("web: nothing is sent: its configuration disables it\n"));
}

TEST_F(Plan, of_a_request_without_a_challenge_that_needs_one_has_the_obstacle) {
    configure("", "signer = { token = \"lab\", key = \"existing:pkcs11:id=%01\", cert = \"/nowhere.pem\" }\n");
    const PlanText first = plan();
    EXPECT_THAT(value(first, "obstacle"), HasSubstr("E-SIGNER-CERTIFICATE"));
    EXPECT_THAT(value(first, "signed_by"), HasSubstr("manufacturer"));
    EXPECT_THAT(value(first, "challenge"), HasSubstr("vouches"));
}

}  // namespace
}  // namespace hwenroll::test
