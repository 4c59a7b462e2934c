// Fixtures around one lab CA without sockets.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/lab_ca/test_client.h"
#include "tests/lab_ca/test_server.h"

namespace hwenroll::lab_ca::test {

class LabCaTest : public testing::Test {
 protected:
    void start(LabCaOptions options) { ca_ = LabCa::open(std::move(options), clock_).value(); }
    void SetUp() override { start(default_options(directory_.path())); }

    /// Options with a password challenge in `directory_`.
    LabCaOptions options() { return default_options(directory_.path()); }

    Bytes request(const RequestRecipe& recipe) {
        return make_request(recipe, identity_, ca_->certificate(), clock_.now());
    }

    OpenedReply opened(const HttpReply& reply) {
        EXPECT_EQ(reply.status, 200) << as_text(reply.body);
        EXPECT_EQ(reply.content_type, "application/x-pki-message");
        return open_reply(reply.body, ca_->certificate(), identity_);
    }

    OpenedReply send(const RequestRecipe& recipe) { return opened(ca_->answer(post_request(request(recipe)))); }

    /// What the lab interface answers to a GET of `path`.
    HttpReply lab(const std::string& path, const std::string& query = "") {
        HttpRequest asked = get_request(query);
        asked.path = path;
        return ca_->answer(asked);
    }

    nlohmann::json issued() { return nlohmann::json::parse(as_text(lab("/lab/issued").body)); }

    std::vector<std::string> findings() { return last_finding_ids(directory_.path()); }

    /// The recipe is refused with that pkiStatus/failInfo, without content, and nothing is issued.
    void expect_refused(const RequestRecipe& recipe, const char* status) {
        const OpenedReply reply = send(recipe);
        EXPECT_TRUE(reply.signature_good);
        EXPECT_EQ(reply.status(), status) << reply.attributes.at("1.3.6.1.5.5.7.24.1").text;
        EXPECT_FALSE(reply.has_content);
        EXPECT_FALSE(std::filesystem::exists(directory_ / "serial"));
    }

    /// The certificate in `reply` for the key of `identity`; throws std::runtime_error when there is none.
    static Certificate leaf(const OpenedReply& reply, const ClientIdentity& identity) {
        for (const Certificate& certificate : reply.certificates) {
            if (certificate.public_key() == PublicKey::of(identity.key.get()).value()) {
                return certificate;
            }
        }
        throw std::runtime_error("no certificate for the key: " + reply.status());
    }

    hwenroll::test::TemporaryDirectory directory_;
    SettableClock clock_;
    ClientIdentity identity_ = ClientIdentity::make("CN=web01.example.com,O=Example", clock_.now());
    std::unique_ptr<LabCa> ca_;
};

/// Renewals: `identity_` holds a certificate of the CA, `next_` a new key of the same subject.
class RenewalTest : public LabCaTest {
 protected:
    void SetUp() override {
        start(renewing_options());
        identity_.certificate = leaf(send({}), identity_);
        std::filesystem::remove(directory_ / "serial");
        recipe_.message_type = "17";
        recipe_.transaction_id = "17";
        recipe_.challenge.reset();
        recipe_.requested = &next_;
    }

    LabCaOptions renewing_options() {
        LabCaOptions out = options();
        out.capabilities = Capabilities::from_list("AES,POSTPKIOperation,Renewal,SCEPStandard,SHA-256");
        out.issue.lifetime = Seconds(3600);
        return out;
    }

    ClientIdentity next_ = ClientIdentity::make(identity_.subject, clock_.now());
    RequestRecipe recipe_;
};

}  // namespace hwenroll::lab_ca::test
