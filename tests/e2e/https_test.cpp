// SCEP over HTTPS and HTTP: TLS has a trust of its own and takes the place of no check of SCEP (HTTP-15); what a
// server's HTTP says of the time counts for nothing (SEC-16).
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/support/free_port.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// nginx before the lab CA, with a certificate of its own.
class Https : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        make_certificate("tls");
        make_certificate("other");
        write_file(
            path("nginx.conf"),
            fmt::format("daemon off;\npid {0}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n"
                        "client_body_temp_path {0}/body;\nproxy_temp_path {0}/proxied;\n"
                        "fastcgi_temp_path {0}/fastcgi;\nuwsgi_temp_path {0}/uwsgi;\nscgi_temp_path {0}/scgi;\n"
                        "server {{\nlisten 127.0.0.1:{1} ssl;\nssl_certificate {0}/tls.pem;\n"
                        "ssl_certificate_key {0}/tls.key;\nlocation /scep {{ proxy_pass http://127.0.0.1:{2}; }}\n"
                        "}}\n}}\n",
                        world_.directory().path().string(), port_, world_.port()));
        nginx_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{"nginx", "-p", world_.directory().path().string(), "-c", path("nginx.conf")});
        ASSERT_TRUE(wait_until_listening(port_, 30s)) << nginx_->err();
    }

    void TearDown() override {
        if (nginx_) {
            nginx_->kill(SIGTERM);
            nginx_->wait(10s);
        }
    }

    void make_certificate(const std::string& name) const {
        const RunResult made =
            run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-addext",
                 "subjectAltName=IP:127.0.0.1", "-keyout", path(name + ".key"), "-out", path(name + ".pem")});
        ASSERT_EQ(made.exit_code, 0) << made.err;
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (world_.directory() / name).string(); }

    /// With this file as `tls_ca`; none if empty.
    void configure(const std::string& tls_ca, ConfigurationChanges changes = {}) {
        changes.url = fmt::format("https://127.0.0.1:{}/scep", port_);
        changes.ca_extra = tls_ca.empty() ? "" : "tls_ca = \"" + path(tls_ca) + "\"\n";
        world_.configure(changes);
    }

    EnrollmentWorld world_;
    std::uint16_t port_ = free_port();
    std::unique_ptr<ChildProcess> nginx_;
};

TEST_F(Https, HTTP_15_an_identity_is_enrolled_over_HTTPS_and_over_plain_HTTP) {
    configure("tls.pem");
    const RunResult over_tls = world_.once();
    EXPECT_EQ(over_tls.exit_code, 0) << over_tls.err;
    world_.expect_published();
    world_.configure({.identity_extra = "san = [\"dns:web02.example.com\"]\nretire_after = \"0s\"\n"});
    const RunResult plain = world_.once();
    EXPECT_EQ(plain.exit_code, 0) << plain.err;
    world_.expect_published();
}

TEST_F(Https, HTTP_15_SEC_4_a_server_that_TLS_knows_is_no_CA_without_the_pinned_fingerprint) {
    configure("tls.pem", {.fingerprint = "SHA256:" + std::string(64, 'a')});
    const RunResult refused = world_.once();
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("E-CA-FINGERPRINT"));
    for (const std::string& request : world_.requests()) {
        EXPECT_THAT(request, testing::Not(HasSubstr("PKIOperation"))) << "the challenge is for the pinned CA alone";
    }
}

TEST_F(Https, HTTP_15_N17_the_pinned_CA_behind_a_server_that_TLS_does_not_know_is_asked_nothing) {
    // Its own certificate, another one, and the SCEP CA's: what is pinned for SCEP says nothing for TLS.
    for (const std::string& tls_ca : {std::string(), std::string("other.pem"), std::string("ca/ca.pem")}) {
        configure(tls_ca);
        const RunResult refused = world_.once();
        EXPECT_NE(refused.exit_code, 0) << tls_ca;
        EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-UNREACHABLE"), HasSubstr("127.0.0.1"))) << tls_ca;
        EXPECT_THAT(world_.requests(), IsEmpty()) << tls_ca;
    }
}

// A reply's Date decides nothing: neither has the certificate expired by it, nor is it due, nor has it not begun.
TEST(HttpDate, SEC_16_HTTP_28_what_a_server_says_of_the_time_counts_for_nothing) {
    for (const std::string date : {"Fri, 01 Jan 2100 00:00:00 GMT", "Mon, 01 Jan 1990 00:00:00 GMT"}) {
        EnrollmentWorld world;
        world.start_lab_ca();
        const auto dated = [&](const std::string& response) {
            const std::size_t line = response.find("\r\n") + 2;
            return response.substr(0, line) + "Date: " + date + "\r\n" + response.substr(line);
        };
        const TamperingProxy proxy(world.port(), dated);
        world.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
        const RunResult result = world.once();
        EXPECT_EQ(result.exit_code, 0) << date << result.err;
        world.expect_published();
        EXPECT_THAT(world.hwenroll({"status"}).out, HasSubstr("OK")) << date;
        const std::size_t asked = world.requests().size();
        EXPECT_EQ(world.once().exit_code, 0) << date;
        EXPECT_EQ(world.requests().size(), asked) << "nothing is due by it";
    }
}

}  // namespace
}  // namespace hwenroll::test
