// How many messages one processor builds and reads in a second; keys in software.
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/bench/measurement.h"
#include "tests/bench/table.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/reply/large_reply.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/capabilities.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::bench {
namespace {

template <class T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().line());
    }
    return *std::move(result);
}

scep::CertificationRequest request_contents() {
    scep::CertificationRequest request;
    request.subject = must(DistinguishedName::from_text("CN=web01.example.com,O=Example"));
    request.subject_alt_names = {"dns:web01.example.com"};
    request.key_usage = {"digitalSignature", "keyEncipherment"};
    request.extended_key_usage = {"serverAuth", "clientAuth"};
    return request;
}

/// The client's key and what it has made with it before a message is built.
struct Client {
    test::Key key = test::new_rsa_key();
    test::Key ca_key = test::new_rsa_key();
    Certificate ca = test::self_signed(test::ca_spec("CN=CA"), ca_key);
    scep::CertificationRequest request = request_contents();
    Secret challenge{as_bytes("challenge-55128846")};
    Secret csr = must(scep::build_csr(request, key.get(), challenge));
    Certificate signer =
        must(scep::build_signer_certificate(request.subject, key.get(), Bytes(16, 0x5A), test::present(),
                                            test::present() + std::chrono::days(30), scep::Digest::sha256));
};

void build_message(const Client& client) {
    scep::PkiMessage message{scep::MessageType::pkcs_req,
                             {"00112233445566778899AABBCCDDEEFF"},
                             {},
                             must(scep::seal(client.csr.reveal(), client.ca, scep::ContentCipher::aes128)),
                             client.signer,
                             scep::Digest::sha256,
                             test::present()};
    must(scep::sign_message(message, client.key.get()));
}

scep::CertRep verify(const test::CapturedExchange& exchange) {
    return must(scep::read_cert_rep(exchange.reply, exchange.expectation));
}

void read_to_the_certificate(const test::CapturedExchange& exchange, const scep::IssueExpectation& expected) {
    const scep::CertRep reply = verify(exchange);
    const Secret content = must(scep::open_envelope(reply.envelope, exchange.request_signer, exchange.key.get(),
                                                    test::everything_allowed(), exchange.expectation.limits));
    must(
        scep::accept_certificate(must(scep::read_degenerate(content.reveal(), exchange.expectation.limits)), expected));
}

void read_ca_set(const Bytes& body, const Bytes& fingerprint) {
    must(scep::authenticate(must(scep::parse_ca_certificates(body, {})), {{fingerprint}, test::capture_time()}));
}

/// SHA-256 of the root that the captured set of step-ca ends in.
Bytes root_fingerprint(const Bytes& body) {
    for (const Certificate& certificate : must(scep::parse_ca_certificates(body, {}))) {
        if (certificate.is_self_issued()) {
            return certificate.fingerprint();
        }
    }
    throw std::runtime_error("the captured CA set has no root");
}

constexpr double large_goal = 200'000;  ///< µs

/// Replies of 1 MiB beside the small ones; the body of each is made before.
std::vector<std::string> add_large_replies(Measurement& measurement) {
    std::vector<std::string> names;
    for (const test::LargeReply& reply : test::large_replies()) {
        const std::string outcome = test::read_to_the_end(reply.body());
        names.push_back(fmt::format("{}: {}", reply.name, outcome));
        measurement.add(names.back(), [body = reply.body()] { test::read_to_the_end(body); });
    }
    return names;
}

void print_large_replies(const std::vector<std::string>& names, const std::map<std::string, Samples>& samples) {
    Table table("CertReps of 1 MiB read to the certificate or refused, one thread",
                {"reply: outcome", "ms of CPU, median", "quartiles", "goal"});
    for (const std::string& name : names) {
        const auto& cpu = samples.at(name).cpu;
        table.add({name, fmt::format("{:.1f}", median(cpu) / 1e3),
                   fmt::format("{:.1f}–{:.1f}", quantile(cpu, 0.25) / 1e3, quantile(cpu, 0.75) / 1e3),
                   judged("≤ 200 ms", median(cpu) <= large_goal)});
    }
    table.print();
}

void measure(const Options& options) {
    const Client client;
    const auto aes = test::load_exchange("step-aes.64", "step-aes.GetCACert.bin");
    const auto des = test::load_exchange("micromdm210.41", "micromdm210.GetCACert.bin");
    const auto aes_issue = test::issue_expectation(aes);
    const auto des_issue = test::issue_expectation(des);
    const Bytes ca_set = test::capture("step-aes.GetCACert.bin");
    const Bytes pinned = root_fingerprint(ca_set);
    const Bytes capabilities = test::capture("micromdm210.GetCACaps.bin");

    Measurement measurement(options);
    std::vector<std::string> names;
    const auto add = [&](const std::string& name, std::function<void()> operation) {
        measurement.add(name, std::move(operation));
        names.push_back(name);
    };
    add("CSR built, signed and verified",
        [&] { must(scep::build_csr(client.request, client.key.get(), client.challenge)); });
    add("PKCSReq built from a CSR: sealed (AES-128) and signed", [&] { build_message(client); });
    add("CertRep read: signature and attributes verified", [&] { verify(aes); });
    add("CertRep read to the accepted certificate, AES-128", [&] { read_to_the_certificate(aes, aes_issue); });
    add("CertRep read to the accepted certificate, single DES", [&] { read_to_the_certificate(des, des_issue); });
    add("GetCACert set (2 certificates) read and authenticated", [&] { read_ca_set(ca_set, pinned); });
    add("GetCACaps read", [&] { scep::parse_capabilities(capabilities); });
    const std::vector<std::string> large = add_large_replies(measurement);
    const auto samples = measurement.run();

    Table table("Messages built and read, RSA-2048, software keys, one thread",
                {"what", "per second", "µs of CPU, median", "quartiles"});
    for (const std::string& name : names) {
        const auto& cpu = samples.at(name).cpu;
        table.add({name, fmt::format("{:.0f}", 1e6 / median(cpu)), fmt::format("{:.1f}", median(cpu)),
                   fmt::format("{:.1f}–{:.1f}", quantile(cpu, 0.25), quantile(cpu, 0.75))});
    }
    table.print();
    print_large_replies(large, samples);
}

}  // namespace
}  // namespace hwenroll::bench

int main(int argc, char** argv) {
    return hwenroll::bench::run_program(argc, argv, hwenroll::bench::measure);
}
