// The web server in front of the CA, its capabilities, and what it does with requests that come twice or cannot be
// read.
#include <map>

#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class CapsFormTest : public LabCaTest {
 protected:
    HttpReply caps(CapsForm form) {
        LabCaOptions wanted = options();
        wanted.capabilities = Capabilities::from_list("AES,SHA-256");
        wanted.caps.form = form;
        start(std::move(wanted));
        return ca_->answer(get_request("operation=GetCACaps"));
    }
};

TEST_F(CapsFormTest, SRV_5_forms_that_list_the_keywords) {
    const std::map<CapsForm, const char*> bodies{
        {CapsForm::lf, "AES\nSHA-256\n"},
        {CapsForm::crlf, "AES\r\nSHA-256"},
        {CapsForm::cr, "AES\rSHA-256"},
        {CapsForm::mixed_case, "aEs\nsHa-256\n"},
        {CapsForm::blank_lines, "\n\nAES\n\nSHA-256\n \n\n"},
        {CapsForm::unknown_words, "Update\nExample.com-Name\nAES\nSHA-256\nSCEPStandardX\nAES128\nSHA-384\n"}};
    for (const auto& [form, body] : bodies) {
        const HttpReply reply = caps(form);
        EXPECT_EQ(as_text(reply.body), body);
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.content_type, "text/plain");
    }
}

TEST_F(CapsFormTest, SRV_5_Q_NDES_1_forms_that_list_none) {
    EXPECT_THAT(as_text(caps(CapsForm::html).body), HasSubstr("<html>"));
    EXPECT_THAT(caps(CapsForm::empty).body, IsEmpty());
    EXPECT_EQ(caps(CapsForm::not_found).status, 404);
    EXPECT_EQ(caps(CapsForm::close).delivery.end, Delivery::End::unanswered);
}

TEST_F(CapsFormTest, SRV_5_what_is_not_announced_is_served_all_the_same) {
    LabCaOptions wanted = options();
    wanted.caps.form = CapsForm::close;
    start(std::move(wanted));
    EXPECT_EQ(send({}).status(), "0");
    EXPECT_THAT(findings(), Not(IsEmpty())) << "by what the client knows, AES and SHA-256 are not announced";
}

class MannerTest : public LabCaTest {
 protected:
    void start(HttpManner manner) {
        LabCaOptions wanted = options();
        wanted.manner = std::move(manner);
        LabCaTest::start(std::move(wanted));
    }
};

TEST_F(MannerTest, SRV_1_only_the_paths_that_are_named_are_served) {
    start({.paths = {"/certsrv/mscep/mscep.dll", "/pkiclient.exe"}});
    HttpRequest request = get_request("operation=GetCACaps");
    EXPECT_EQ(ca_->answer(request).status, 404);
    for (const char* path : {"/certsrv/mscep/mscep.dll", "/pkiclient.exe"}) {
        request.path = path;
        EXPECT_EQ(ca_->answer(request).status, 200);
    }
    request.path = "/pkiclient.exe/";
    EXPECT_EQ(ca_->answer(request).status, 404);
    EXPECT_EQ(lab("/lab/issued").status, 200) << "the test interface stays where it is";
}

TEST_F(MannerTest, SRV_2_strict_decoding_takes_nothing_but_HTTP_11) {
    start({.strict_get = true});
    const std::string good = url_form(request({}));
    EXPECT_EQ(opened(ca_->answer(get_request("operation=PKIOperation&message=" + good))).status(), "0");
    std::string lower = good;
    lower.replace(lower.find("%2"), 3, lower.substr(lower.find("%2"), 2) + "b");
    for (const std::string& wrong : {to_base64(request({})), good + "%0A", lower}) {
        const HttpReply reply = ca_->answer(get_request("operation=PKIOperation&message=" + wrong));
        EXPECT_EQ(reply.status, 400);
        EXPECT_THAT(std::string(as_text(reply.body)), HasSubstr("HTTP-11: "));
    }
    EXPECT_EQ(opened(ca_->answer(post_request(request({})))).status(), "0");
}

TEST_F(MannerTest, SRV_3_a_post_without_operation_may_be_refused) {
    start({.needs_operation = true});
    HttpRequest post = post_request(request({}));
    EXPECT_EQ(opened(ca_->answer(post)).status(), "0");
    post.query.clear();
    EXPECT_EQ(ca_->answer(post).status, 400);
}

TEST_F(MannerTest, SRV_18_Q_NDES_12_a_long_query_is_not_found) {
    start({.server = "Microsoft-IIS/8.5", .max_query = 2048});
    const HttpReply reply = ca_->answer(get_request("operation=PKIOperation&message=" + url_form(request({}))));
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.content_type, "text/html");
    EXPECT_THAT(std::string(as_text(to_wire(reply, true))), HasSubstr("\r\nServer: Microsoft-IIS/8.5\r\n"));
    EXPECT_EQ(ca_->answer(get_request("operation=GetCACaps")).status, 200);
    EXPECT_EQ(opened(ca_->answer(post_request(request({})))).status(), "0");
}

TEST_F(MannerTest, SRV_18_HTTP_1_0_ends_the_body_with_the_connection) {
    start({.http_1_0 = true});
    const ServerThread server(*ca_);
    const std::string one = "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n";
    const std::string got = exchange(server.port(), one + one, false);
    EXPECT_THAT(got, StartsWith("HTTP/1.0 200 OK\r\n"));
    EXPECT_THAT(got, Not(HasSubstr("Content-Length")));
    EXPECT_EQ(got.substr(got.find("\r\n\r\n") + 4), "AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\n")
        << "one reply, then the end";
}

TEST_F(MannerTest, SRV_18_a_chunked_request_is_refused) {
    start({.server = "Microsoft-IIS/8.5"});
    const ServerThread server(*ca_);
    const std::string got = exchange(server.port(),
                                     "POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: ca\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    EXPECT_THAT(got, StartsWith("HTTP/1.1 411 "));
}

class RepetitionTest : public LabCaTest {
 protected:
    void start(const RepetitionPolicy& policy) {
        LabCaOptions wanted = options();
        wanted.capabilities.keywords.emplace_back("Renewal");
        wanted.repetition = policy;
        LabCaTest::start(std::move(wanted));
    }
};

TEST_F(RepetitionTest, SRV_9_a_known_transaction_may_be_an_error) {
    start({.refuse_known_transaction = true});
    EXPECT_EQ(send({}).status(), "0");
    EXPECT_EQ(send({}).status(), "2/2");
    RequestRecipe other;
    other.transaction_id = "2";
    EXPECT_EQ(send(other).status(), "0");
}

// Debian's scepclient and strongSwan make the transactionID of the key.
TEST_F(RepetitionTest, SRV_9_SRV_21_a_certificate_renews_its_key_under_the_transactionID_that_brought_it) {
    start({});
    const Certificate first = leaf(send({}), identity_);
    identity_.certificate = first;
    clock_.advance(std::chrono::days(1));
    RequestRecipe renewal;
    renewal.message_type = "17";
    renewal.challenge.reset();
    const Certificate second = leaf(send(renewal), identity_);
    EXPECT_NE(second, first);
    EXPECT_GT(second.not_after(), first.not_after());
    EXPECT_EQ(leaf(send(renewal), identity_), second) << "sent again, it has the same answer";
    EXPECT_EQ(issued().size(), 2U);
}

TEST_F(RepetitionTest, SRV_9_a_poll_repeats_nothing) {
    LabCaOptions wanted = options();
    wanted.repetition.refuse_known_transaction = true;
    wanted.decision.pending = 1;
    LabCaTest::start(std::move(wanted));
    EXPECT_EQ(send({}).status(), "3");
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    EXPECT_EQ(send(poll).status(), "0");
}

TEST_F(RepetitionTest, SRV_9_a_known_subject_may_be_an_error_but_renews) {
    start({.refuse_known_subject = true});
    const Certificate self_signed = *identity_.certificate;
    const Certificate first = leaf(send({}), identity_);
    RequestRecipe second;
    second.transaction_id = "2";
    EXPECT_EQ(send(second).status(), "2/2");
    EXPECT_EQ(issued().size(), 1U);

    identity_.certificate = first;
    second.transaction_id = "3";
    second.message_type = "17";
    second.challenge.reset();
    EXPECT_EQ(send(second).status(), "0");

    identity_.certificate = self_signed;
    clock_.advance(std::chrono::days(91));
    second.transaction_id = "4";
    second.message_type = "19";
    second.challenge = "lab-secret";
    EXPECT_EQ(send(second).status(), "0") << "the certificates of that subject have run out";
}

TEST_F(LabCaTest, SRV_17_what_cannot_be_opened_may_be_an_HTTP_error) {
    RequestRecipe broken;
    broken.break_signature = true;
    EXPECT_EQ(opened(ca_->answer(post_request(request(broken)))).status(), "2/1");
    const Bytes nonsense = to_bytes(as_bytes("no CMS"));
    EXPECT_EQ(ca_->answer(post_request(nonsense)).status, 400) << "there is no transactionID to answer";

    LabCaOptions wanted = options();
    wanted.undecodable_status = 500;
    start(std::move(wanted));
    const HttpReply reply = ca_->answer(post_request(request(broken)));
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.content_type, "text/plain");
    EXPECT_EQ(ca_->answer(post_request(nonsense)).status, 500);
    RequestRecipe wrong;
    wrong.challenge = "wrong";
    EXPECT_EQ(opened(ca_->answer(post_request(request(wrong)))).status(), "2/2") << "that could be read";
}

}  // namespace
}  // namespace hwenroll::lab_ca
