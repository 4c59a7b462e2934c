// What the lab CA answers to good, wrong and hostile messages; no sockets.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::read_file;
using hwenroll::test::TemporaryDirectory;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using namespace test;

TEST_F(LabCaTest, SRV_15_a_good_request_is_answered_as_RFC_8894_says) {
    RequestRecipe recipe;
    recipe.sender_nonce = from_hex("000102030405060708090A0B0C0D0E0F").value();
    const OpenedReply reply = send(recipe);
    EXPECT_TRUE(reply.signature_good);
    EXPECT_EQ(reply.status(), "0");
    EXPECT_EQ(reply.scep(2), "3");
    EXPECT_EQ(reply.scep(7), recipe.transaction_id);
    EXPECT_EQ(reply.scep(6), as_text(recipe.sender_nonce));
    EXPECT_EQ(reply.scep(5).size(), 16U);
    EXPECT_NE(reply.scep(5), reply.scep(6));
    for (const char* text : {"2", "3", "7"}) {
        EXPECT_EQ(reply.attributes.at(std::string("2.16.840.1.113733.1.9.") + text).type, V_ASN1_PRINTABLESTRING);
    }
    ASSERT_EQ(reply.certificates.size(), 2U);
    EXPECT_THAT(reply.certificates, Contains(ca_->certificate()));
    const bool leaf_first = reply.certificates[0] != ca_->certificate();
    const Certificate& leaf = reply.certificates[leaf_first ? 0 : 1];
    EXPECT_EQ(leaf.public_key(), identity_.certificate->public_key());
    EXPECT_EQ(leaf.subject(), identity_.certificate->subject());
    EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(LabCaTest, SIG_9_replies_are_DER) {
    const HttpReply reply = ca_->answer(post_request(request({})));
    const auto syntax = read_signed_data(reply.body).value();
    EXPECT_THAT(syntax.deviations, IsEmpty());
    const auto envelope = read_enveloped_data(*syntax.content).value();
    EXPECT_THAT(envelope.deviations, IsEmpty());
    EXPECT_EQ(envelope.cipher.oid, "2.16.840.1.101.3.4.1.2");
    EXPECT_EQ(syntax.signers.at(0).digest.oid, "2.16.840.1.101.3.4.2.1");
}

TEST_F(LabCaTest, SRV_1_get_works_where_post_is_not_announced) {
    LabCaOptions options = default_options(directory_.path());
    options.capabilities = Capabilities::without_post();
    start(std::move(options));
    const Bytes message = request({});
    EXPECT_EQ(ca_->answer(post_request(message)).status, 405);
    const HttpReply reply = ca_->answer(get_request("operation=PKIOperation&message=" + url_form(message)));
    EXPECT_EQ(opened(reply).status(), "0");
    EXPECT_THAT(findings(), IsEmpty());
    EXPECT_EQ(as_text(ca_->answer(get_request("operation=GetCACaps")).body), "AES\nSHA-256\n");
}

TEST_F(LabCaTest, HTTP_7_get_is_a_finding_where_post_is_announced) {
    const auto reply = ca_->answer(get_request("operation=PKIOperation&message=" + to_base64(request({}))));
    EXPECT_EQ(opened(reply).status(), "0");
    EXPECT_THAT(findings(), Contains("HTTP-7"));
}

TEST_F(LabCaTest, SRV_1_BADC_10_the_other_operations) {
    const HttpReply caps = ca_->answer(get_request("operation=GetCACaps"));
    EXPECT_EQ(as_text(caps.body), "AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\n");
    EXPECT_EQ(caps.content_type, "text/plain");
    EXPECT_THAT(findings(), IsEmpty());
    const HttpReply certificate = ca_->answer(get_request("operation=GetCACert"));
    EXPECT_EQ(certificate.content_type, "application/x-x509-ca-cert");
    EXPECT_EQ(certificate.body, ca_->certificate().der());
    EXPECT_EQ(ca_->answer(get_request("operation=GetNextCACert")).status, 404);
    EXPECT_EQ(ca_->answer(get_request("operation=GetCACertChain")).status, 404);  // BADC-10
    EXPECT_EQ(ca_->answer(get_request("operation=getcacaps")).status, 404);
    EXPECT_THAT(findings(), Contains("HTTP-1"));
    EXPECT_EQ(ca_->answer(get_request("")).status, 404);
    ca_->answer(get_request("operation=GetCACert&message=lab"));
    EXPECT_THAT(findings(), UnorderedElementsAre("HTTP-6"));
}

TEST_F(LabCaTest, SRV_3_a_post_needs_no_operation) {
    HttpRequest post = post_request(request({}));
    post.query.clear();
    EXPECT_EQ(opened(ca_->answer(post)).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("HTTP-1"));
}

TEST_F(LabCaTest, SRV_6_a_wrong_or_missing_challenge_is_badRequest) {
    RequestRecipe recipe;
    recipe.challenge = "lab-secreT";
    expect_refused(recipe, "2/2");
    EXPECT_THAT(read_file(directory_ / "lint.jsonl"), Not(HasSubstr("lab-secre")));
    recipe.challenge.reset();
    expect_refused(recipe, "2/2");  // SRV-20: the self-signed certificate alone admits nobody
}

TEST_F(LabCaTest, SRV_20_BADC_4_a_renewal_by_a_self_signed_copy_of_a_name_is_refused) {
    RequestRecipe recipe;
    recipe.message_type = "17";
    recipe.challenge.reset();
    expect_refused(recipe, "2/2");
    const OpenedReply reply = send(recipe);
    EXPECT_EQ(reply.attributes.at("1.3.6.1.5.5.7.24.1").text, "renewal is not enabled");
    EXPECT_EQ(reply.attributes.at("1.3.6.1.5.5.7.24.1").type, V_ASN1_UTF8STRING);
}

TEST_F(LabCaTest, SRV_16_BADC_3_a_wrong_CSR_signature_is_badMessageCheck) {
    RequestRecipe recipe;
    recipe.break_csr_signature = true;
    expect_refused(recipe, "2/1");
}

TEST_F(LabCaTest, SRV_16_a_wrong_message_signature_is_badMessageCheck) {
    RequestRecipe recipe;
    recipe.break_signature = true;
    expect_refused(recipe, "2/1");
}

TEST_F(LabCaTest, SIG_5_without_its_certificate_a_message_cannot_be_verified) {
    RequestRecipe recipe;
    recipe.with_certificate = false;
    expect_refused(recipe, "2/1");
    EXPECT_THAT(findings(), Contains("SIG-5"));
}

TEST_F(LabCaTest, SRV_16_BADC_6_weak_and_forbidden_algorithms_are_badAlg) {
    RequestRecipe md5;
    md5.digest = EVP_md5();
    expect_refused(md5, "2/0");
    RequestRecipe sha1;
    sha1.digest = EVP_sha1();
    expect_refused(sha1, "2/0");
    EXPECT_THAT(findings(), Contains("ALG-4"));
    RequestRecipe des3;
    des3.cipher = EVP_des_ede3_cbc();
    expect_refused(des3, "2/0");
    EXPECT_THAT(findings(), Contains("ALG-1"));
}

TEST_F(LabCaTest, SRV_16_weak_algorithms_by_option_but_never_MD5) {
    LabCaOptions options = default_options(directory_.path());
    options.allow_weak_requests = true;
    start(std::move(options));
    RequestRecipe md5;
    md5.digest = EVP_md5();
    expect_refused(md5, "2/0");
    RequestRecipe weak;
    weak.digest = EVP_sha1();
    weak.cipher = EVP_des_ede3_cbc();
    EXPECT_EQ(send(weak).status(), "0");
}

TEST_F(LabCaTest, BADC_7_an_envelope_for_another_certificate_is_badMessageCheck) {
    const ClientIdentity other = ClientIdentity::make("CN=other", clock_.now());
    const Bytes message = make_request({}, identity_, *other.certificate, clock_.now());
    EXPECT_EQ(opened(ca_->answer(post_request(message))).status(), "2/1");
    EXPECT_THAT(findings(), Contains("ENV-4"));
}

TEST_F(LabCaTest, SRV_16_a_signingTime_outside_the_window_is_badTime) {
    const Bytes early = make_request({}, identity_, ca_->certificate(), clock_.now() - Seconds(301));
    EXPECT_EQ(opened(ca_->answer(post_request(early))).status(), "2/3");
    const Bytes late = make_request({}, identity_, ca_->certificate(), clock_.now() + Seconds(301));
    EXPECT_EQ(opened(ca_->answer(post_request(late))).status(), "2/3");
    const Bytes within = make_request({}, identity_, ca_->certificate(), clock_.now() + Seconds(299));
    EXPECT_EQ(opened(ca_->answer(post_request(within))).status(), "0");
}

TEST_F(LabCaTest, SRV_7_BADC_1_a_poll_for_an_unknown_transaction_is_badCertId) {
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    expect_refused(poll, "2/4");
    EXPECT_THAT(findings(), IsEmpty());
    poll.content = Bytes{0x30, 0x00};
    expect_refused(poll, "2/4");
}

TEST_F(LabCaTest, RT_4_a_poll_for_an_answered_transaction_yields_its_certificate) {
    const OpenedReply first = send({});
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    const OpenedReply second = send(poll);
    EXPECT_EQ(second.status(), "0");
    EXPECT_EQ(second.certificates, first.certificates);
    EXPECT_THAT(findings(), IsEmpty());
    poll.content = make_issuer_and_subject(identity_.certificate->subject(), ca_->certificate().subject());
    send(poll);
    EXPECT_THAT(findings(), UnorderedElementsAre("MSG-22", "MSG-22"));
}

TEST_F(LabCaTest, RT_4_another_signer_cannot_poll) {
    send({});
    const ClientIdentity other = ClientIdentity::make("CN=web01.example.com,O=Example", clock_.now());
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    const Bytes message = make_request(poll, other, ca_->certificate(), clock_.now());
    EXPECT_EQ(opened(ca_->answer(post_request(message))).status(), "2/2");
}

TEST_F(LabCaTest, SRV_9_a_transaction_sent_again_has_the_same_answer) {
    const OpenedReply first = send({});
    const OpenedReply second = send({});
    EXPECT_EQ(second.status(), "0");
    EXPECT_EQ(second.certificates, first.certificates);
    EXPECT_NE(second.scep(6), first.scep(6));
    EXPECT_THAT(findings(), IsEmpty());
    RequestRecipe another;
    another.transaction_id = "FF";
    EXPECT_NE(send(another).certificates, first.certificates);
}

TEST_F(LabCaTest, MSG_7_a_replayed_message_is_answered_and_noticed) {
    const Bytes message = request({});
    const OpenedReply first = opened(ca_->answer(post_request(message)));
    const OpenedReply second = opened(ca_->answer(post_request(message)));
    EXPECT_EQ(second.certificates, first.certificates);
    EXPECT_THAT(findings(), UnorderedElementsAre("MSG-7", "SRV-14"));
}

TEST_F(LabCaTest, SRV_9_a_transactionID_belongs_to_one_key) {
    send({});
    const ClientIdentity other = ClientIdentity::make("CN=web02", clock_.now());
    const Bytes message = make_request({}, other, ca_->certificate(), clock_.now());
    EXPECT_EQ(opened(ca_->answer(post_request(message))).status(), "2/2");
}

TEST_F(LabCaTest, BADC_5_an_expired_certificate_of_this_CA_does_not_admit) {
    LabCaOptions options = default_options(directory_.path());
    options.issue.lifetime = Seconds(100);
    start(std::move(options));
    const OpenedReply first = send({});
    for (const Certificate& certificate : first.certificates) {
        if (!certificate.is_ca()) {
            identity_.certificate = certificate;
        }
    }
    RequestRecipe again;
    again.transaction_id = "AA";
    EXPECT_EQ(send(again).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("CSR-6"));
    clock_.advance(Seconds(101));
    again.transaction_id = "BB";
    EXPECT_EQ(send(again).status(), "2/2");
}

TEST_F(LabCaTest, ALG_11_lint_finds_a_self_signed_certificate_of_another_digest) {
    identity_ = ClientIdentity::make(identity_.subject, clock_.now(), 2048, EVP_sha1());
    EXPECT_EQ(send({}).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("ALG-11"));
}

TEST_F(LabCaTest, SRV_6_a_request_is_pending_as_often_as_configured_and_then_decided) {
    LabCaOptions options = default_options(directory_.path());
    options.decision.pending = 3;
    start(std::move(options));
    const OpenedReply first = send({});
    EXPECT_TRUE(first.signature_good);
    EXPECT_EQ(first.status(), "3");
    EXPECT_FALSE(first.has_content);
    EXPECT_EQ(send({}).status(), "3");  // sent again: answered like a poll
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    EXPECT_EQ(send(poll).status(), "3");
    EXPECT_FALSE(std::filesystem::exists(directory_ / "serial"));
    const OpenedReply issued = send(poll);
    EXPECT_EQ(issued.status(), "0");
    EXPECT_THAT(findings(), IsEmpty());
    EXPECT_EQ(send(poll).certificates, issued.certificates);
}

TEST_F(LabCaTest, SRV_6_a_pending_request_may_be_refused_in_the_end) {
    LabCaOptions options = default_options(directory_.path());
    options.decision.pending = 1;
    options.decision.refusal = Rejection{FailInfo::bad_request, "no such host"};
    start(std::move(options));
    EXPECT_EQ(send({}).status(), "3");
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(ca_->certificate().subject(), identity_.certificate->subject());
    expect_refused(poll, "2/2");
    poll.transaction_id = "AB";
    expect_refused(poll, "2/4");
}

TEST_F(LabCaTest, MSG_14_a_refusal_may_come_without_a_text) {
    LabCaOptions options = default_options(directory_.path());
    options.decision.refusal = Rejection{FailInfo::bad_time, ""};
    start(std::move(options));
    const OpenedReply reply = send({});
    EXPECT_EQ(reply.status(), "2/3");
    EXPECT_EQ(reply.attributes.count("1.3.6.1.5.5.7.24.1"), 0U);
}

TEST_F(LabCaTest, FI_2_policies_on_key_size_attributes_and_signers_refuse) {
    const auto text = [&](LabCaOptions options, const RequestRecipe& recipe) {
        start(std::move(options));
        expect_refused(recipe, "2/2");
        return send(recipe).attributes.at("1.3.6.1.5.5.7.24.1").text;
    };
    LabCaOptions larger = default_options(directory_.path());
    larger.admission.min_rsa_bits = 3072;
    EXPECT_EQ(text(std::move(larger), {}), "the key size of 2048 bits is less than 3072");
    LabCaOptions plain = default_options(directory_.path());
    plain.issue.usage = IssueUsage::refuse;
    RequestRecipe named;
    named.extensions = {{NID_subject_alt_name, "DNS:web01.example.com"}};
    EXPECT_EQ(text(std::move(plain), named), "the requested attribute subjectAltName is not authorised");
    named.extensions.clear();
    named.transaction_id = "AC";
    EXPECT_EQ(send(named).status(), "0");
    std::filesystem::remove(directory_ / "serial");
    LabCaOptions known = default_options(directory_.path());
    known.admission.self_signed_signers = false;
    EXPECT_EQ(text(std::move(known), {}), "the signer is not trusted: its certificate is self-signed");
}

TEST_F(LabCaTest, SRV_20_a_certificate_of_an_unknown_or_pretended_issuer_does_not_admit) {
    const ClientIdentity stranger = ClientIdentity::make("CN=stranger", clock_.now());
    identity_.certify(stranger, "CN=stranger", clock_.now());
    expect_refused({}, "2/2");
    EXPECT_THAT(findings(), Contains("SIG-1"));
    identity_.certify(stranger, ca_->certificate().subject().text(), clock_.now());
    expect_refused({}, "2/1");
    identity_.certify(stranger, identity_.subject, clock_.now());
    expect_refused({}, "2/1");
}

TEST_F(LabCaTest, keys_that_are_too_small_are_refused) {
    identity_ = ClientIdentity::make("CN=small", clock_.now(), 1024);
    expect_refused({}, "2/2");
}

TEST_F(LabCaTest, unknown_message_types_and_contents_are_badRequest) {
    RequestRecipe recipe;
    for (const char* type : {"3", "18", "019x", "99999999999"}) {
        recipe.message_type = type;
        expect_refused(recipe, "2/2");
    }
    EXPECT_THAT(findings(), Contains("MSG-11"));
    recipe = {};
    recipe.content = Bytes{0x30, 0x03, 0x02, 0x01, 0x00};
    expect_refused(recipe, "2/2");
}

TEST_F(LabCaTest, SRV_17_BADC_9_undecodable_messages_are_http_400) {
    const Bytes good = request({});
    for (const Bytes& message : {Bytes{}, Bytes{0x30}, Bytes(1000, 0x30), ca_->certificate().der(),
                                 Bytes(good.begin(), good.end() - 1), to_bytes(as_bytes("<html>"))}) {
        const HttpReply reply = ca_->answer(post_request(message));
        EXPECT_EQ(reply.status, 400);
        EXPECT_EQ(reply.content_type, "text/plain");
        EXPECT_THAT(findings(), Contains("MSG-1"));
    }
    EXPECT_EQ(ca_->answer(get_request("operation=PKIOperation&message=!!!")).status, 400);  // BADC-9
    EXPECT_EQ(ca_->answer(get_request("operation=PKIOperation")).status, 400);
}

TEST_F(LabCaTest, BADC_altered_messages_are_refused_without_harm) {
    const Bytes good = request({});
    std::vector<std::size_t> accepted;
    for (std::size_t i = 0; i < good.size(); i += 7) {
        Bytes altered = good;
        altered[i] ^= 0x41U;
        const HttpReply reply = ca_->answer(post_request(altered));
        ASSERT_TRUE(reply.status == 200 || reply.status == 400) << i;
        if (reply.status == 200 && read_signed_data(reply.body).value().content) {
            accepted.push_back(i);
        }
    }
    // What no signature covers may change without a refusal: SignedData's version and list of digests.
    EXPECT_LT(accepted.size(), 8U) << testing::PrintToString(accepted);
    EXPECT_EQ(send({}).status(), "0");
}

TEST_F(LabCaTest, SRV_14_lint_names_each_deviation) {
    int transactions = 0;
    const auto lint = [&](RequestRecipe recipe) {
        recipe.transaction_id += std::to_string(++transactions);
        EXPECT_EQ(send(recipe).status(), "0");
        return findings();
    };
    RequestRecipe recipe;
    recipe.sender_nonce = Bytes(8, 7);
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("MSG-7"));
    recipe = {};
    recipe.attribute_type = V_ASN1_UTF8STRING;
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("MSG-4", "MSG-11"));
    recipe = {};
    recipe.challenge_type = V_ASN1_UTF8STRING;
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("CSR-2"));
    recipe = {};
    recipe.digest = EVP_sha512();
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("ALG-4", "ALG-11", "ALG-11"));  // PKCS#10 and certificate
    recipe = {};
    recipe.extensions = {{NID_key_usage, "digitalSignature"}};
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("CSR-3"));
    recipe = {};
    recipe.transaction_id = "base64/+=";
    EXPECT_THAT(lint(recipe), UnorderedElementsAre("MSG-5"));
    identity_.subject = "CN=another";
    EXPECT_THAT(lint({}), UnorderedElementsAre("SIG-1"));
}

TEST_F(LabCaTest, SEC_3_lint_finds_a_challenge_outside_the_envelope) {
    LabCaOptions options = default_options(directory_.path());
    options.challenge = Secret(as_bytes("web01.example.com"));
    start(std::move(options));
    RequestRecipe recipe;
    recipe.challenge = "web01.example.com";
    EXPECT_EQ(send(recipe).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("SEC-3"));
}

TEST_F(LabCaTest, SRV_14_the_log_line_has_the_facts) {
    HttpRequest post = post_request(request({}));
    post.headers[1].value = "application/octet-stream";
    post.headers.push_back({"User-Agent", "evil\x1b[2J\xff"});
    ca_->answer(post);
    const auto line = nlohmann::json::parse(read_file(directory_ / "lint.jsonl"));
    EXPECT_EQ(line.at("time"), to_iso8601(clock_.now()));
    EXPECT_EQ(line.at("operation"), "PKIOperation");
    EXPECT_EQ(line.at("method"), "POST");
    EXPECT_EQ(line.at("messageType"), "19");
    EXPECT_EQ(line.at("transactionID"), "00112233445566778899AABBCCDDEEFF");
    EXPECT_EQ(line.at("http").at("bodyLength"), post.body.size());
    EXPECT_EQ(line.at("answer").at("http"), 200);
    EXPECT_EQ(line.at("answer").at("pkiStatus"), 0);
    EXPECT_EQ(line.at("findings").at(0).at("id"), "HTTP-8");
    EXPECT_EQ(line.at("findings").at(0).at("ok"), false);
    EXPECT_THAT(line.dump(), Not(HasSubstr("\x1b")));
    EXPECT_TRUE(
        std::filesystem::exists(directory_ / "issued" / (line.at("answer").at("serial").get<std::string>() + ".pem")));
}

}  // namespace
}  // namespace hwenroll::lab_ca
