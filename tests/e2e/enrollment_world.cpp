#include "tests/e2e/enrollment_world.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string fingerprint_of(const std::filesystem::path& pem) {
    const auto certificates = certificates_from_pem(read_file(pem));
    if (!certificates) {
        throw std::runtime_error(certificates.error().line());
    }
    return "SHA256:" + to_hex(certificates->front().fingerprint(), ':');
}

std::string or_default(const std::string& value, const std::string& otherwise) {
    return value.empty() ? otherwise : value;
}

}  // namespace

EnrollmentWorld::EnrollmentWorld() {
    hsm_.init_token("lab", "87654321", canary_pin);
    write_file(pin_path(), canary_pin, 0600);
    write_file(directory_ / "corp.challenge", canary_challenge, 0600);
}

void EnrollmentWorld::start_lab_ca(const std::vector<std::string>& arguments) {
    const std::string ready = (directory_ / "ca.url").string();
    ca_.reset();
    std::filesystem::remove(ready);
    std::vector<std::string> line{program("scep-lab-ca"),
                                  "--dir",
                                  (directory_ / "ca").string(),
                                  "--listen",
                                  fmt::format("127.0.0.1:{}", port_),
                                  "--challenge-file",
                                  (directory_ / "corp.challenge").string(),
                                  "--ready-file",
                                  ready};
    line.insert(line.end(), arguments.begin(), arguments.end());
    ca_ = std::make_unique<ChildProcess>(std::move(line));
    for (int i = 0; i < 1000 && !std::filesystem::exists(ready); ++i) {
        // The ready file appears by rename; a CA that ended would never make it.
        if (ca_->wait(std::chrono::milliseconds(10))) {
            throw std::runtime_error("scep-lab-ca ended: " + ca_->err());
        }
    }
    url_ = read_file(ready);
    url_.erase(url_.find_last_not_of('\n') + 1);
    port_ = static_cast<std::uint16_t>(std::stoi(url_.substr(url_.find(':', 5) + 1)));
    fingerprint_ = fingerprint_of(directory_ / "ca" / "ca.pem");
}

void EnrollmentWorld::start_scepserver(std::uint16_t port) {
    const std::string depot = (directory_ / "depot").string();
    const RunResult made = run({"scepserver", "ca", "-init", "-depot", depot, "-keySize", "2048"});
    if (made.exit_code != 0) {
        throw std::runtime_error("scepserver ca -init: " + made.err);
    }
    // The challenge is a flag of this server; the canary would be seen in its own command line only.
    ca_ = std::make_unique<ChildProcess>(std::vector<std::string>{"scepserver", "-depot", depot, "-port",
                                                                  std::to_string(port), "-challenge", canary_challenge,
                                                                  "-allowrenew", "0"});
    if (!wait_until_listening(port, std::chrono::seconds(20))) {
        throw std::runtime_error("scepserver does not listen: " + ca_->err());
    }
    port_ = port;
    url_ = fmt::format("http://127.0.0.1:{}/scep", port);
    fingerprint_ = fingerprint_of(std::filesystem::path(depot) / "ca.pem");
}

void EnrollmentWorld::configure(const ConfigurationChanges& changes) {
    const std::string base = directory_.path().string();
    const std::string hsm =
        fmt::format("type = \"pkcs11\"\nmodule = \"{}\"\nuri = \"{}\"\npin = \"{}\"\n{}\n", changes.module, changes.uri,
                    or_default(changes.pin, "file:" + pin_path().string()), changes.token_extra);
    write_file(
        config(),
        fmt::format("[agent]\nstate_dir = \"{0}/state\"\nruntime_dir = \"{0}/run\"\npublish_dir = \"{0}/live\"\n{8}\n"
                    "[token.lab]\n{1}\n"
                    "[ca.corp]\nurl = \"{2}\"\nfingerprint = \"{3}\"\nchallenge = \"{4}\"\n{5}\n"
                    "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nkey = \"{6}\"\n"
                    "subject = \"CN=web01.example.com,O=Example\"\n{7}",
                    base, or_default(changes.token, hsm), or_default(changes.url, url_),
                    or_default(changes.fingerprint, fingerprint_),
                    or_default(changes.challenge, "file:" + base + "/corp.challenge"), changes.ca_extra, changes.key,
                    changes.identity_extra, changes.agent_extra));
}

RunResult EnrollmentWorld::once(const ChildOptions& options) const {
    return run({program("hwenrolld"), "--once", "--config", config().string()}, options, std::chrono::seconds(90));
}

RunResult EnrollmentWorld::hwenroll(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program("hwenroll"));
    arguments.insert(arguments.end(), {"--config", config().string()});
    return run(std::move(arguments));
}

std::vector<std::string> EnrollmentWorld::requests() const {
    std::ifstream in(directory_ / "ca" / "lint.jsonl");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

int EnrollmentWorld::objects(const std::string& kind) const {
    const RunResult listed = run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login",
                                  "--pin", canary_pin, "--list-objects"});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    int count = 0;
    for (std::size_t at = listed.out.find(kind); at != std::string::npos; at = listed.out.find(kind, at + 1)) {
        ++count;
    }
    return count;
}

void EnrollmentWorld::expect_published(std::optional<TimePoint> at) const {
    const std::string cert = (live() / "cert.pem").string();
    std::vector<std::string> verify{"openssl",    "verify",
                                    "-CAfile",    (live() / "ca.pem").string(),
                                    "-untrusted", (live() / "fullchain.pem").string()};
    if (at) {
        verify.insert(verify.end(), {"-attime", std::to_string(at->time_since_epoch().count())});
    }
    verify.push_back(cert);
    const RunResult verified = run(verify);
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    EXPECT_EQ(objects("Private Key Object"), 1);
    EXPECT_EQ(objects("Public Key Object"), 1);
    std::string uri = read_file(live() / "key.uri");
    uri.erase(uri.find_last_not_of('\n') + 1);
    const std::string data = (directory_ / "data").string();
    write_file(data, "signed by the token");
    const RunResult made = run({"openssl", "dgst", "-sha256", "-engine", "pkcs11", "-keyform", "engine", "-sign",
                                uri + "?pin-source=file:" + pin_path().string(), "-out", data + ".sig", data},
                               {{"PKCS11_MODULE_PATH=" + SoftHsm::module()}, {}, {}});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    const RunResult key = run({"openssl", "x509", "-in", cert, "-pubkey", "-noout", "-out", data + ".pub"});
    EXPECT_EQ(key.exit_code, 0) << key.err;
    const RunResult checked =
        run({"openssl", "dgst", "-sha256", "-verify", data + ".pub", "-signature", data + ".sig", data});
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

void EnrollmentWorld::expect_no_canary(const std::vector<std::string>& outputs) const {
    for (const std::string& output : outputs) {
        EXPECT_THAT(output, Not(HasSubstr("canary")));
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
        const std::string name = entry.path().filename().string();
        if (entry.is_regular_file() && name != "lab.pin" && name != "corp.challenge") {
            EXPECT_THAT(read_file(entry.path()), Not(HasSubstr("canary"))) << entry.path();
        }
    }
}

}  // namespace hwenroll::test
