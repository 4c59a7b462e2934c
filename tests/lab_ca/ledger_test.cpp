// Waiting for a decision, the decision by a person, and what was issued (SRV-6, SRV-9).
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::read_file;
using testing::HasSubstr;
using testing::Not;
using namespace test;

class LedgerTest : public LabCaTest {
 protected:
    LabCaOptions approving_options() {
        LabCaOptions out = options();
        out.decision.needs_approval = true;
        return out;
    }

    RequestRecipe poll_recipe() {
        RequestRecipe poll;
        poll.message_type = "20";
        poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
        return poll;
    }

    nlohmann::json pending() { return nlohmann::json::parse(as_text(lab("/lab/pending").body)); }

    RequestRecipe recipe_;
    std::string transaction_ = "transaction=" + recipe_.transaction_id;
};

TEST_F(LedgerTest, SRV_6_a_request_waits_until_it_is_approved) {
    start(approving_options());
    EXPECT_EQ(send({}).status(), "3");
    EXPECT_EQ(send(poll_recipe()).status(), "3");
    ASSERT_EQ(pending().size(), 1U);
    EXPECT_EQ(pending()[0]["transactionID"], recipe_.transaction_id);
    EXPECT_EQ(pending()[0]["awaitsApproval"], true);
    EXPECT_EQ(pending()[0]["publicKey"], to_hex(sha256(identity_.certificate->public_key().spki())));
    EXPECT_EQ(lab("/lab/approve", transaction_).status, 200);
    EXPECT_EQ(send(poll_recipe()).status(), "0");
    EXPECT_TRUE(pending().empty());
    EXPECT_EQ(lab("/lab/approve", transaction_).status, 404) << "it is decided";
}

// SRV-6, BADC-2, C24
TEST_F(LedgerTest, SRV_6_BADC_2_a_challenge_that_works_once_is_refused_from_then_on_and_after_its_time) {
    EXPECT_EQ(lab("/lab/challenge").status, 404) << "not the way of this CA";
    LabCaOptions once = options();
    once.one_time_challenges = Seconds(3600);
    start(std::move(once));
    const auto given = [&] { return std::string(as_text(lab("/lab/challenge").body)); };
    const auto text_of = [](const OpenedReply& reply) { return reply.attributes.at("1.3.6.1.5.5.7.24.1").text; };
    const auto asks_with = [](std::string challenge, std::string id) {
        RequestRecipe recipe;
        challenge.erase(challenge.find_last_not_of('\n') + 1);
        recipe.challenge = std::move(challenge);
        recipe.transaction_id = std::move(id);
        return recipe;
    };
    EXPECT_EQ(text_of(send({})), "the challengePassword is wrong") << "the static one";
    const std::string first = given();
    const std::string second = given();
    EXPECT_NE(first, second);
    EXPECT_EQ(send(asks_with(first, "01")).status(), "0");
    EXPECT_EQ(send(asks_with(first, "01")).status(), "0") << "the same transaction gets the same answer";
    EXPECT_EQ(text_of(send(asks_with(first, "02"))), "the challengePassword was used before");
    clock_.advance(Seconds(3600));
    EXPECT_EQ(text_of(send(asks_with(second, "03"))), "the challengePassword has expired");
    EXPECT_EQ(send(asks_with(given(), "04")).status(), "0");
}

TEST_F(LedgerTest, SRV_6_a_request_that_is_denied_is_refused_with_the_text) {
    start(approving_options());
    EXPECT_EQ(send({}).status(), "3");
    EXPECT_EQ(lab("/lab/deny", transaction_ + "&text=not%20in%20the%20inventory").status, 200);
    const OpenedReply reply = send(poll_recipe());
    EXPECT_EQ(reply.status(), "2/2");
    EXPECT_EQ(reply.attributes.at("1.3.6.1.5.5.7.24.1").text, "not in the inventory");
    EXPECT_TRUE(issued().empty());
}

TEST_F(LedgerTest, SRV_6_an_approval_replaces_a_missing_challenge_but_no_wrong_one) {
    start(approving_options());
    recipe_.challenge.reset();
    EXPECT_EQ(send(recipe_).status(), "3");
    recipe_.transaction_id = "AB";
    recipe_.challenge = "wrong-secret";
    EXPECT_EQ(send(recipe_).status(), "2/2");
}

TEST_F(LedgerTest, SRV_6_a_request_is_pending_for_seconds_of_the_CA_s_clock) {
    LabCaOptions slow = options();
    slow.decision.delay = Seconds(3600);
    start(std::move(slow));
    EXPECT_EQ(send({}).status(), "3");
    clock_.advance(Seconds(3599));
    EXPECT_EQ(send(poll_recipe()).status(), "3");
    clock_.advance(Seconds(1));
    EXPECT_EQ(send(poll_recipe()).status(), "0");
}

TEST_F(LedgerTest, SRV_9_transactions_outlive_a_restart) {
    start(approving_options());
    EXPECT_EQ(send({}).status(), "3");
    start(approving_options());
    EXPECT_EQ(send(poll_recipe()).status(), "3");
    EXPECT_EQ(lab("/lab/approve", transaction_).status, 200);
    start(approving_options());
    const Certificate first = leaf(send(poll_recipe()), identity_);
    start(approving_options());
    EXPECT_EQ(leaf(send({}), identity_), first);
    EXPECT_EQ(issued().size(), 1U);
    recipe_.transaction_id = "AB";
    EXPECT_EQ(send(recipe_).status(), "3");
    EXPECT_EQ(lab("/lab/deny", "transaction=AB&text=no").status, 200);
    start(approving_options());
    EXPECT_EQ(send(recipe_).status(), "2/2");
}

TEST_F(LedgerTest, BAD_84_a_refusal_s_text_may_be_anything) {
    LabCaOptions hostile = options();
    hostile.decision.refusal = Rejection{FailInfo::bad_request, "\x1b[2J\xff\x80"};
    start(std::move(hostile));
    EXPECT_EQ(send({}).status(), "2/2");
    start(options());
    EXPECT_EQ(send({}).attributes.at("1.3.6.1.5.5.7.24.1").text, "\x1b[2J\xff\x80");
}

TEST_F(LedgerTest, SEC_3_no_file_of_a_transaction_holds_the_challenge_or_is_for_others) {
    EXPECT_EQ(send({}).status(), "0");
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "transactions")) {
        ++files;
        const auto json = nlohmann::json::parse(read_file(entry.path()));
        const Bytes request = from_base64(json.at("request").get<std::string>()).value();
        EXPECT_THAT(std::string(as_text(request)), Not(HasSubstr("lab-secret")));
        EXPECT_THAT(std::string(as_text(request)), HasSubstr("web01.example.com"));
        struct stat status {};
        ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    EXPECT_EQ(files, 1);
}

TEST_F(LedgerTest, a_file_that_cannot_be_read_is_an_error) {
    EXPECT_EQ(send({}).status(), "0");
    hwenroll::test::write_file(directory_ / "transactions" / "0.json", "{}");
    const auto opened = LabCa::open(options(), clock_);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().line(), HasSubstr("0.json"));
}

TEST_F(LedgerTest, issued_certificates_are_listed_with_what_tells_doubles) {
    const Certificate certificate = leaf(send({}), identity_);
    send({});  // sent again: no further certificate
    recipe_.transaction_id = "AB";
    send(recipe_);
    for (int i = 0; i < 2; ++i) {
        const nlohmann::json list = issued();
        ASSERT_EQ(list.size(), 2U);
        EXPECT_EQ(list[0]["serial"], to_hex(certificate.serial()));
        EXPECT_EQ(list[0]["subject"], certificate.subject().text());
        EXPECT_EQ(list[0]["notBefore"], to_iso8601(certificate.not_before()));
        EXPECT_EQ(list[0]["notAfter"], to_iso8601(certificate.not_after()));
        EXPECT_EQ(list[0]["transactionID"], RequestRecipe().transaction_id);
        EXPECT_EQ(list[0]["generation"], 1);
        EXPECT_EQ(list[1]["transactionID"], "AB");
        EXPECT_EQ(list[0]["publicKey"], list[1]["publicKey"]);
        start(options());
    }
}

TEST_F(LedgerTest, SRV_6_unknown_transactions_paths_and_methods) {
    EXPECT_EQ(lab("/lab/approve", "transaction=none").status, 404);
    EXPECT_EQ(lab("/lab/deny").status, 404);
    EXPECT_EQ(lab("/lab/none").status, 404);
    HttpRequest post = post_request({});
    post.path = "/lab/issued";
    EXPECT_EQ(ca_->answer(post).status, 405);
    EXPECT_FALSE(std::filesystem::exists(directory_ / "lint.jsonl")) << "it is no SCEP";
}

}  // namespace
}  // namespace hwenroll::lab_ca
