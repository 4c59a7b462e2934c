// HTTP-15, N17: https: fails closed, by a trust that is its own. The server is `openssl s_server`.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/certificate.h"
#include "base/pem.h"
#include "tests/http/exchange_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

/// FILE.pem, a self-signed certificate with `name` as its subjectAltName, and FILE.key.
void make_certificate(const TemporaryDirectory& directory, const std::string& file, const std::string& name) {
    const RunResult made = run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                                "-nodes", "-subj", "/CN=" + file, "-addext", "subjectAltName=" + name, "-keyout",
                                directory / (file + ".key"), "-out", directory / (file + ".pem")});
    ASSERT_EQ(0, made.exit_code) << made.err;
}

/// `openssl s_server -www` on a free port, which it prints as `ACCEPT 127.0.0.1:PORT`.
class TlsServer {
 public:
    TlsServer(const TemporaryDirectory& directory, const std::string& file, const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"openssl",
                                           "s_server",
                                           "-accept",
                                           "127.0.0.1:0",
                                           "-www",
                                           "-cert",
                                           directory / (file + ".pem"),
                                           "-key",
                                           directory / (file + ".key")};
        arguments.insert(arguments.end(), more.begin(), more.end());
        process_ = std::make_unique<ChildProcess>(arguments);
        const std::string mark = "ACCEPT 127.0.0.1:";
        do {
            const std::string printed = process_->out();
            const auto at = printed.find(mark);
            if (at != std::string::npos && printed.find('\n', at) != std::string::npos) {
                port_ = std::stoi(printed.substr(at + mark.size()));
            }
        } while (port_ == 0 && !process_->wait(std::chrono::milliseconds(5)));
        EXPECT_NE(0, port_) << process_->err();
    }
    [[nodiscard]] std::string url() const { return fmt::format("https://127.0.0.1:{}/", port_); }

 private:
    std::unique_ptr<ChildProcess> process_;
    int port_ = 0;
};

class Tls : public Exchange {
 protected:
    void SetUp() override {
        make_certificate(directory, "good", "IP:127.0.0.1");
        make_certificate(directory, "other", "IP:127.0.0.9");
    }

    http::Request trusting(const std::string& url, const std::string& file) {
        http::Request request = get(url);
        request.route.tls_ca = file.empty() ? "" : (directory / (file + ".pem")).string();
        return request;
    }

    TemporaryDirectory directory;
};

TEST_F(Tls, HTTP_15_a_server_under_tls_ca_is_reached) {
    const TlsServer server(directory, "good");
    const auto response = fetch(trusting(server.url(), "good"));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(200, response->status);
}

TEST_F(Tls, N17_HTTP_15_an_unknown_server_is_not_talked_to) {
    const TlsServer server(directory, "good");
    for (const char* ca : {"", "other"}) {
        const Error error = fetch_error(trusting(server.url(), ca), ErrorCode::ca_unreachable);
        EXPECT_FALSE(http::closed_without_reply(error));
        EXPECT_THAT(error.line(), HasSubstr("certificate"));
        EXPECT_THAT(error.line(), HasSubstr("'tls_ca'"));
    }
}

TEST_F(Tls, N17_a_certificate_for_another_name_is_not_accepted) {
    const TlsServer server(directory, "other");
    fetch_error(trusting(server.url(), "other"), ErrorCode::ca_unreachable);
}

TEST_F(Tls, CAPS_8_a_refused_handshake_is_not_a_closed_connection) {
    // TLS 1.3 tells the client of a missing client certificate only after the client's last flight.
    const TlsServer server(directory, "good", {"-Verify", "1", "-verify_return_error", "-tls1_3"});
    const Error error = fetch_error(trusting(server.url(), "good"), ErrorCode::ca_interrupted);
    EXPECT_FALSE(http::closed_without_reply(error));
}

TEST_F(Tls, a_server_without_TLS_is_not_a_closed_connection) {
    ScriptedServer server({{await_close()}});
    http::Request request = trusting(fmt::format("https://127.0.0.1:{}/", server.port()), "good");
    request.limits.connect_timeout = std::chrono::milliseconds(200);
    fetch_error(request, ErrorCode::ca_unreachable);
    ScriptedServer rude({{reset()}});
    fetch_error(trusting(fmt::format("https://127.0.0.1:{}/", rude.port()), "good"), ErrorCode::ca_unreachable);
}

TEST_F(Tls, a_tls_ca_that_cannot_be_read_is_a_configuration_error) {
    const TlsServer server(directory, "good");
    EXPECT_THAT(fetch_error(trusting(server.url(), "missing"), ErrorCode::config_value).line(), HasSubstr("'tls_ca'"));
}

http::Request handshake(const std::string& url) {
    http::Request request = get(url);
    request.method = http::Request::Method::handshake;
    return request;
}

std::string pem_of(const TemporaryDirectory& directory, const std::string& file) {
    return read_file(directory / (file + ".pem"));
}

TEST_F(Tls, O4_a_handshake_shows_the_servers_own_certificate_and_needs_no_trust_in_it) {
    const TlsServer server(directory, "other", {"-cert_chain", directory / "good.pem"});
    const auto response = fetch(handshake(server.url()));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(response->status, 0);
    const auto certificate = Certificate::from_der(response->body);
    ASSERT_TRUE(certificate);
    EXPECT_EQ(to_pem(*certificate), pem_of(directory, "other"));
}

TEST_F(Tls, O4_a_handshake_asks_for_the_urls_host_at_another_address) {
    const TlsServer server(
        directory, "good",
        {"-servername", "web.example.com", "-cert2", directory / "other.pem", "-key2", directory / "other.key"});
    http::Request request = handshake("https://web.example.com/");
    request.connect_to = server.url().substr(8, server.url().size() - 9);
    const auto named = fetch(request);
    ASSERT_TRUE(named) << named.error().line();
    EXPECT_EQ(to_pem(*Certificate::from_der(named->body)), pem_of(directory, "other"));
    const auto unnamed = fetch(handshake(server.url()));
    ASSERT_TRUE(unnamed) << unnamed.error().line();
    EXPECT_EQ(to_pem(*Certificate::from_der(unnamed->body)), pem_of(directory, "good"));
}

TEST_F(Tls, O4_each_handshake_is_a_new_one_and_sees_a_new_certificate) {
    // One port, two servers, one client: neither its connection nor its session may be used again.
    auto server = std::make_unique<TlsServer>(directory, "good");
    const std::string url = server->url();
    ASSERT_TRUE(fetch(handshake(url)));
    server.reset();
    const std::string address = url.substr(8, url.size() - 9);
    const ChildProcess next({"openssl", "s_server", "-accept", address, "-www", "-cert", directory / "other.pem",
                             "-key", directory / "other.key"});
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
    ASSERT_TRUE(wait_until_listening(port, std::chrono::seconds(10))) << next.err();
    const auto response = fetch(handshake(url));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(to_pem(*Certificate::from_der(response->body)), pem_of(directory, "other"));
}

TEST_F(Tls, O4_a_handshake_with_a_server_that_speaks_no_tls_fails) {
    ScriptedServer server({{send("220 mail.example.com ESMTP\r\n"), await_close()}});
    const Error error = fetch_error(handshake("https" + server.url("/").substr(4)), ErrorCode::ca_unreachable);
    EXPECT_THAT(error.line(), HasSubstr("the TLS handshake with https://127.0.0.1"));
    fetch_error(handshake("http://127.0.0.1/"), ErrorCode::config_value);
}

}  // namespace
}  // namespace hwenroll::test
