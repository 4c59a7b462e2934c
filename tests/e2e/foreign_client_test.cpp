// The lab CA with clients that we did not write (SRV-21): strongSwan's pki, scepclient and certmonger. What they leave
// in lint.jsonl is known of them (what they are in the wild), so that a new finding is a fault of the CA's lint or a
// new release of theirs.
#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/required_tokens.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// What strongSwan 5.9.8 needs: its AES is unusable, since it looks for the keyword of another capability.
std::vector<std::string> for_strongswan(const std::vector<std::string>& more = {}) {
    std::vector<std::string> out{"--allow-weak-requests", "--renewal", "both", "--caps",
                                 "AES,DES3,POSTPKIOperation,Renewal,SHA-256"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

class ForeignClient : public testing::Test {
 protected:
    /// Skips where one of `files` is missing, unless the machine is one on which nothing may be.
    static void require(const std::vector<PackagedFile>& files) {
        if (const auto missing = missing_package(files)) {
            ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing;
            GTEST_SKIP() << *missing;
        }
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (world_.directory() / name).string(); }

    /// PKIOperations that the CA has answered.
    [[nodiscard]] std::vector<json> messages() const {
        std::vector<json> out;
        for (const std::string& line : world_.requests()) {
            if (json record = json::parse(line); record["operation"] == "PKIOperation") {
                out.push_back(std::move(record));
            }
        }
        return out;
    }

    [[nodiscard]] static std::set<std::string> findings(const json& message) {
        std::set<std::string> out;
        for (const json& finding : message["findings"]) {
            out.insert(finding["id"].get<std::string>());
        }
        return out;
    }

    /// `file` (PEM or DER) is good under the CA's root, by openssl's own judgement.
    void expect_verified(const std::string& file, const std::string& anchor) const {
        const RunResult pem = run({"openssl", "x509", "-in", file, "-out", file + ".pem"});
        ASSERT_EQ(pem.exit_code, 0) << pem.err;
        const RunResult verified =
            run({"openssl", "verify", "-CAfile", anchor, "-untrusted", path("ca/ca.pem"), file + ".pem"});
        EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    }

    static std::string text_of(const std::string& file, const std::string& what) {
        return run({"openssl", "x509", "-in", file, "-noout", what}).out;
    }

    EnrollmentWorld world_;
};

class StrongSwan : public ForeignClient {
 protected:
    void SetUp() override {
        require({{"pki", "strongswan-pki"},
                 {"/usr/lib/ipsec/plugins/libstrongswan-curl.so", "libstrongswan-extra-plugins"},
                 {"/usr/lib/ipsec/plugins/libstrongswan-openssl.so", "libstrongswan-standard-plugins"}});
    }

    void make_key(const std::string& name) const {
        const RunResult made = run({"pki", "--gen", "--type", "rsa", "--size", "2048"});
        ASSERT_EQ(made.exit_code, 0) << made.err;
        write_file(path(name), made.out);
    }

    /// `pki --scepca`: CA certificates as ca.der, ca-1.der, …, RAs as ra.der, ra-2.der, ….
    void fetch_ca() const {
        const RunResult fetched = run({"pki", "--scepca", "--url", world_.url(), "--caout", path("ca.der"), "--raout",
                                       path("ra.der"), "--force"});
        ASSERT_EQ(fetched.exit_code, 0) << fetched.err;
    }

    /// The fetched file whose subject has `name`.
    [[nodiscard]] std::string fetched(const std::string& name) const {
        for (const auto& entry : std::filesystem::directory_iterator(world_.directory().path())) {
            std::string file = entry.path().string();
            if (entry.path().extension() == ".der" && text_of(file, "-subject").find(name) != std::string::npos) {
                return file;
            }
        }
        throw std::runtime_error("pki fetched no certificate of " + name);
    }

    /// `pki --scep` with key `key`, whose certificate goes to `certificate`.
    [[nodiscard]] RunResult enroll(const std::string& key, const std::string& certificate,
                                   const std::vector<std::string>& more) const {
        std::vector<std::string> line{"pki",        "--scep",  "--url",    world_.url(),
                                      "--in",       path(key), "--dn",     "CN=gateway.example.com, O=Example",
                                      "--cipher",   "des3",    "--cacert", fetched("hwenroll lab CA"),
                                      "--interval", "1"};
        line.insert(line.end(), more.begin(), more.end());
        RunResult result = run(line);
        write_file(path(certificate), result.out);
        return result;
    }

    [[nodiscard]] std::vector<std::string> first_request(const std::string& opens, const std::string& signs) const {
        return {"--san",        "gateway.example.com", "--password",   canary_challenge,
                "--cacert-enc", fetched(opens),        "--cacert-sig", fetched(signs)};
    }
};

TEST_F(StrongSwan, SRV_21_fetches_the_CA_and_enrolls_by_post) {
    world_.start_lab_ca(for_strongswan());
    make_key("key");
    fetch_ca();
    EXPECT_EQ(text_of(path("ca.der"), "-fingerprint"), text_of(path("ca/ca.pem"), "-fingerprint"));
    const RunResult enrolled = enroll("key", "cert", first_request("lab CA", "lab CA"));
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
    expect_verified(path("cert"), path("ca/ca.pem"));
    EXPECT_THAT(run({"openssl", "x509", "-in", path("cert"), "-noout", "-ext", "subjectAltName"}).out,
                HasSubstr("DNS:gateway.example.com"));
    const auto sent = messages();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0]["method"], "POST");
    EXPECT_EQ(sent[0]["messageType"], "19");
    // No Content-Type; a certificate without keyUsage; a challenge in a T61String or the like.
    EXPECT_EQ(findings(sent[0]), (std::set<std::string>{"CSR-2", "HTTP-8", "SIG-1"}));
}

TEST_F(StrongSwan, SRV_21_SRV_6_waits_while_its_request_is_pending) {
    world_.start_lab_ca(for_strongswan({"--pending", "2"}));
    make_key("key");
    fetch_ca();
    const RunResult enrolled = enroll("key", "cert", first_request("lab CA", "lab CA"));
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
    EXPECT_THAT(enrolled.err, HasSubstr("SCEP request pending"));
    expect_verified(path("cert"), path("ca/ca.pem"));
    std::vector<std::string> types;
    for (const json& message : messages()) {
        types.push_back(message["messageType"].get<std::string>());
        EXPECT_EQ(message["transactionID"], messages().front()["transactionID"]);
    }
    EXPECT_THAT(types, ElementsAre("19", "20", "20"));
    EXPECT_EQ(findings(messages().back()), (std::set<std::string>{"HTTP-8", "SIG-1"}));
}

TEST_F(StrongSwan, SRV_21_SRV_8_renews_by_a_RenewalReq_of_the_old_certificate_without_a_challenge) {
    world_.start_lab_ca(for_strongswan());
    make_key("key");
    make_key("new-key");
    fetch_ca();
    ASSERT_EQ(enroll("key", "cert", first_request("lab CA", "lab CA")).exit_code, 0);
    const RunResult renewed = enroll(
        "new-key", "new-cert",
        {"--cacert-enc", path("ca.der"), "--cacert-sig", path("ca.der"), "--cert", path("cert"), "--key", path("key")});
    ASSERT_EQ(renewed.exit_code, 0) << renewed.err;
    expect_verified(path("new-cert"), path("ca/ca.pem"));
    EXPECT_NE(text_of(path("new-cert"), "-pubkey"), text_of(path("cert"), "-pubkey"));
    const auto sent = messages();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[1]["messageType"], "17");
    EXPECT_EQ(findings(sent[1]), (std::set<std::string>{"HTTP-8"}));
}

TEST_F(StrongSwan, SRV_21_a_wrong_challenge_is_refused_and_logged_without_it) {
    world_.start_lab_ca(for_strongswan());
    make_key("key");
    fetch_ca();
    const RunResult refused =
        enroll("key", "cert",
               {"--password", "not-the-challenge", "--cacert-enc", path("ca.der"), "--cacert-sig", path("ca.der")});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err, HasSubstr("badRequest"));
    EXPECT_EQ(messages().at(0)["answer"]["failInfo"], 2);
    EXPECT_THAT(read_file(path("ca/lint.jsonl")), Not(HasSubstr("not-the-challenge")));
}

TEST_F(StrongSwan, SRV_21_Q_NDES_3_Q_NDES_4_enrolls_at_an_emulated_NDES_and_reads_its_failure) {
    world_.start_lab_ca({"--emulate", "ndes", "--allow-weak-requests"});
    make_key("key");
    fetch_ca();
    std::vector<std::string> more = first_request("RA encryption", "RA signing");
    const RunResult enrolled = enroll("key", "cert", more);
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
    expect_verified(path("cert"), path("ca/ca.pem"));

    make_key("other-key");
    std::ranges::replace(more, std::string(canary_challenge), std::string("not-the-challenge"));
    const RunResult refused = enroll("other-key", "no-cert", more);
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err, HasSubstr("badRequest"));
}

/// Topology, who opens requests, who signs replies, and the anchor's file.
struct Deployment {
    const char* topology;
    const char* opens;
    const char* signs;
    const char* anchor;
};

class StrongSwanDeployment : public StrongSwan, public testing::WithParamInterface<Deployment> {};

TEST_P(StrongSwanDeployment, SRV_21_SRV_4_takes_RA_and_CA_certificates_and_enrolls) {
    const Deployment& deployment = GetParam();
    world_.start_lab_ca(for_strongswan({"--topology", deployment.topology}));
    make_key("key");
    fetch_ca();
    std::vector<std::string> more = first_request(deployment.opens, deployment.signs);
    more.insert(more.end(), {"--cacert", path("ca.der")});
    const RunResult enrolled = enroll("key", "cert", more);
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
    expect_verified(path("cert"), path(deployment.anchor));
    EXPECT_EQ(findings(messages().at(0)), (std::set<std::string>{"CSR-2", "HTTP-8", "SIG-1"}));
}

INSTANTIATE_TEST_SUITE_P(Topologies, StrongSwanDeployment,
                         testing::Values(Deployment{"split-ra", "RA encryption", "RA signing", "ca/ca.pem"},
                                         Deployment{"one-ra", "lab RA", "lab RA", "ca/ca.pem"},
                                         Deployment{"ec-ca", "lab RA", "lab RA", "ca/ca.pem"},
                                         Deployment{"intermediate", "lab CA", "lab CA", "ca/root.pem"}),
                         [](const auto& one) {
                             std::string name = one.param.topology;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

/// Debian's scepclient: SHA-1 and single DES always, transactionID in base64, and whichever certificate of a reply is
/// first, hence --leaf-only.
class Scepclient : public ForeignClient {
 protected:
    void SetUp() override { require({{"scepclient", "scep"}}); }

    [[nodiscard]] RunResult enroll(const std::vector<std::string>& more) const {
        std::vector<std::string> line{"scepclient",  "-private-key", "client.key", "-certificate", "client.pem",
                                      "-server-url", world_.url(),   "-cn",        "gateway"};
        line.insert(line.end(), more.begin(), more.end());
        return run(line, {{}, world_.directory().path(), {}});
    }
};

TEST_F(Scepclient, SRV_21_SRV_2_by_get_its_base64url_is_decoded_and_named) {
    world_.start_lab_ca({"--allow-weak-requests", "--leaf-only", "--no-post"});
    const RunResult enrolled = enroll({"-challenge", canary_challenge});
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.out << enrolled.err;
    expect_verified(path("client.pem"), path("ca/ca.pem"));
    const json sent = messages().at(0);
    EXPECT_EQ(sent["method"], "GET");
    EXPECT_THAT(sent.dump(), HasSubstr("base64url in place of base64"));
}

TEST_F(Scepclient, SRV_21_SRV_8_SRV_9_renews_its_key_under_the_same_transactionID) {
    world_.start_lab_ca({"--allow-weak-requests", "--leaf-only", "--renewal", "both"});
    ASSERT_EQ(enroll({"-challenge", canary_challenge}).exit_code, 0);
    const RunResult renewed = enroll({"-challenge", canary_challenge});
    ASSERT_EQ(renewed.exit_code, 0) << renewed.out << renewed.err;
    const auto sent = messages();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[1]["messageType"], "17");
    EXPECT_EQ(sent[1]["transactionID"], sent[0]["transactionID"]);
    EXPECT_EQ(sent[1]["answer"]["pkiStatus"], 0);
    EXPECT_NE(sent[1]["answer"]["serial"], sent[0]["answer"]["serial"]) << "another certificate";
}

/// certmonger-session on a bus of the test's own: GET whatever is announced, AES and SHA-256.
class Certmonger : public ForeignClient {
 protected:
    void SetUp() override {
        require({{"getcert", "certmonger"}, {"dbus-run-session", "dbus-daemon"}, {"dbus-send", "dbus-bin"}});
        std::filesystem::create_directory(path("home"));
    }

    /// Commands of getcert, after which the daemon that they started is ended.
    [[nodiscard]] RunResult run_script(const std::string& commands) const {
        const std::string end =
            "dbus-send --session --print-reply --dest=org.freedesktop.DBus / "
            "org.freedesktop.DBus.GetConnectionUnixProcessID string:org.fedorahosted.certmonger | "
            "awk '/uint32/ { print $2 }' | xargs kill\n";
        return run({"dbus-run-session", "--", "sh", "-euc", commands + end},
                   {{"HOME=" + path("home")}, world_.directory().path(), {}}, std::chrono::minutes(2));
    }
};

TEST_F(Certmonger, SRV_21_SRV_8_enrolls_by_get_and_renews_its_key_by_a_PKCSReq_of_its_certificate) {
    world_.start_lab_ca({"--no-post", "--renewal", "both"});
    const std::string here = world_.directory().path().string();
    const RunResult done = run_script(
        fmt::format("getcert add-scep-ca -s -c lab -u {1} -R {0}/ca/ca.pem -N {0}/ca/ca.pem\n"
                    "getcert request -s -c lab -I gateway -k {0}/key.pem -f {0}/cert.pem -N CN=gateway.example.com "
                    "-D gateway.example.com -L {2} -w\n"
                    "cp {0}/cert.pem {0}/first.pem\n"
                    "getcert resubmit -s -i gateway -w\n",
                    here, world_.url(), canary_challenge));
    ASSERT_EQ(done.exit_code, 0) << done.out << done.err;
    expect_verified(path("first.pem"), path("ca/ca.pem"));
    expect_verified(path("cert.pem"), path("ca/ca.pem"));
    EXPECT_NE(text_of(path("cert.pem"), "-serial"), text_of(path("first.pem"), "-serial"));
    EXPECT_EQ(text_of(path("cert.pem"), "-pubkey"), text_of(path("first.pem"), "-pubkey"));
    const auto sent = messages();
    ASSERT_EQ(sent.size(), 2U);
    for (const json& message : sent) {
        EXPECT_EQ(message["method"], "GET");
        EXPECT_EQ(message["messageType"], "19");
        EXPECT_EQ(message["transactionID"], sent[0]["transactionID"]);
    }
    EXPECT_EQ(findings(sent[0]), (std::set<std::string>{"HTTP-17", "SIG-1", "SIG-2"}));
    EXPECT_EQ(findings(sent[1]), (std::set<std::string>{"CSR-6", "HTTP-17", "SIG-3"}));
}

}  // namespace
}  // namespace hwenroll::test
