#include "tests/bench/enrollment_clients.h"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <sys/resource.h>

#include <fmt/format.h>

#include "base/pem.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/test_paths.h"

namespace hwenroll::bench {
namespace {

using std::chrono::steady_clock;

constexpr std::uint16_t port = 19001;
constexpr const char* challenge = "challenge-55128846";
constexpr const char* pin = "1234";
constexpr auto patience = std::chrono::minutes(3);

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// CPU of every process that this one has waited for, and that those have
/// waited for.
double cpu_of_children() {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void must_succeed(const test::RunResult& result, const std::string& what) {
    if (result.timed_out || result.exit_code != 0) {
        throw std::runtime_error(fmt::format(
            "{} {}: {}{}", what,
            result.timed_out ? "was still running after its time" : fmt::format("exited with {}", result.exit_code),
            result.out, result.err));
    }
}

/// Runs the program, and fails unless it succeeds and leaves every file of
/// `made`.
Cost run_for(std::vector<std::string> arguments, const test::ChildOptions& options,
             const std::vector<std::string>& made) {
    const std::string name = arguments.front();
    const double cpu = cpu_of_children();
    const auto begun = steady_clock::now();
    const test::RunResult result = test::run(std::move(arguments), options, patience);
    const std::chrono::duration<double> wall = steady_clock::now() - begun;
    const Cost cost{wall.count(), cpu_of_children() - cpu};
    must_succeed(result, name);
    for (const std::string& file : made) {
        if (!std::filesystem::exists(file)) {
            throw std::runtime_error(name + " made no " + file);
        }
    }
    return cost;
}

Cost& operator+=(Cost& sum, const Cost& cost) {
    sum.wall += cost.wall;
    sum.cpu += cost.cpu;
    return sum;
}

std::string percent_encoded(ByteView octets) {
    std::string text;
    for (const std::uint8_t octet : octets) {
        text += fmt::format("%{:02x}", octet);
    }
    return text;
}

std::string identity(int number, const std::string& id) {
    // scepserver issues digitalSignature and clientAuth, without names.
    return fmt::format(
        "\n[identity.i{0}]\nca = \"corp\"\ntoken = \"lab\"\nkey = "
        "\"existing:pkcs11:id={1}\"\n"
        "subject = \"CN=agent{0},O=Example\"\nkey_usage = "
        "[\"digitalSignature\"]\n"
        "extended_key_usage = [\"clientAuth\"]\n",
        number, id);
}

}  // namespace

Scepserver::Scepserver() {
    const std::string depot = (directory_ / "depot").string();
    must_succeed(test::run({"scepserver", "ca", "-init", "-depot", depot, "-keySize", "2048"}), "scepserver ca -init");
    server_ = std::make_unique<test::ChildProcess>(std::vector<std::string>{
        "scepserver", "-depot", depot, "-port", std::to_string(port), "-challenge", challenge, "-allowrenew", "0"});
    if (!test::wait_until_listening(port, std::chrono::seconds(20))) {
        throw std::runtime_error("scepserver does not listen: " + server_->err());
    }
    proxy_ = std::make_unique<test::TamperingProxy>(port, [this](const std::string& response) {
        if (before_answer_) {
            before_answer_();
        }
        return response;
    });
    url_ = fmt::format("http://127.0.0.1:{}/scep", proxy_->port());
    const auto certificates = certificates_from_pem(test::read_file(std::filesystem::path(depot) / "ca.pem"));
    if (!certificates) {
        throw std::runtime_error(certificates.error().line());
    }
    fingerprint_ = "SHA256:" + to_hex(certificates->front().fingerprint(), ':');
}

Agent::Agent(int keys) {
    hsm_.init_token("lab", "87654321", pin);
    pin_ = hsm_.pin_file(pin);
    test::write_file(directory_ / "challenge", challenge, 0600);
    keystore::Pkcs11Options options;
    options.name = "lab";
    options.module = test::SoftHsm::module();
    options.uri = test::SoftHsm::token_uri("lab");
    options.pin = pin_;
    keystore::Pkcs11Token token(options, keystore::PinSource::parse(pin_).value());
    if (const auto outcome = keystore::try_login(token); outcome.error) {
        throw std::runtime_error(outcome.error->line());
    }
    for (int i = 0; i < keys; ++i) {
        const Bytes id{0xBE, 0x7C, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
        const auto made = token.generate(keystore::KeySpec::rsa_2048, {id}, fmt::format("key {}", i));
        if (!made) {
            throw std::runtime_error(made.error().line());
        }
        ids_.push_back(percent_encoded(id));
    }
}

Agent::Setup Agent::set_up(const std::string& url, const std::string& fingerprint, int first, int count) {
    const std::string base = (directory_ / fmt::format("run{}", setups_++)).string();
    std::filesystem::create_directory(base);
    std::string text = fmt::format(
        "[agent]\nstate_dir = \"{0}/state\"\nruntime_dir = "
        "\"{0}/run\"\npublish_dir = \"{0}/live\"\n\n"
        "[token.lab]\ntype = \"pkcs11\"\nmodule = \"{1}\"\nuri = \"{2}\"\npin = "
        "\"{3}\"\n\n"
        "[ca.corp]\nurl = \"{4}\"\nfingerprint = \"{5}\"\nchallenge = "
        "\"file:{6}\"\n"
        "legacy = [\"des-cbc-reply\", \"sha1-reply\"]\nlegacy_until = "
        "2099-12-31\n",
        base, test::SoftHsm::module(), test::SoftHsm::token_uri("lab"), pin_, url, fingerprint,
        (directory_ / "challenge").string());
    Setup setup{base + "/hwenroll.toml", {}};
    for (int i = first; i < first + count; ++i) {
        text += identity(i, ids_.at(static_cast<std::size_t>(i)));
        setup.certificates.push_back(fmt::format("{}/live/i{}/current/cert.pem", base, i));
    }
    test::write_file(setup.config, text);
    return setup;
}

std::vector<std::string> Agent::command_line(const Setup& setup) const {
    std::vector<std::string> line = command_;
    line.insert(line.end(), {test::program("hwenrolld"), "--once", "--config", setup.config});
    return line;
}

Cost Agent::enroll_together(const Scepserver& server, int keys) {
    const Setup setup = set_up(server.url(), server.fingerprint(), 0, keys);
    return run_for(command_line(setup), {}, setup.certificates);
}

Cost Agent::enroll_one_by_one(const Scepserver& server, int keys) {
    std::vector<Setup> setups;
    for (int i = 0; i < keys; ++i) {
        setups.push_back(set_up(server.url(), server.fingerprint(), i, 1));
    }
    Cost sum;
    for (const Setup& setup : setups) {
        sum += run_for(command_line(setup), {}, setup.certificates);
    }
    return sum;
}

std::unique_ptr<test::ChildProcess> Agent::start(const std::string& url, const std::string& fingerprint, int keys) {
    const Setup setup = set_up(url, fingerprint, 0, keys);
    return std::make_unique<test::ChildProcess>(command_line(setup));
}

Scepclient::Scepclient(int keys) {
    for (int i = 0; i < keys; ++i) {
        // scepclient reads PKCS #1 only.
        const auto made = test::run({"openssl", "genrsa", "-traditional", "2048"});
        must_succeed(made, "openssl genrsa");
        keys_.push_back(made.out);
    }
}

Cost Scepclient::enroll_one_by_one(const Scepserver& server, int keys) {
    const std::filesystem::path base = directory_ / fmt::format("run{}", setups_++);
    Cost sum;
    for (int i = 0; i < keys; ++i) {
        const std::filesystem::path place = base / std::to_string(i);
        std::filesystem::create_directories(place);
        test::write_file(place / "client.key", keys_.at(static_cast<std::size_t>(i)), 0600);
    }
    for (int i = 0; i < keys; ++i) {
        const std::filesystem::path place = base / std::to_string(i);
        sum += run_for(
            {"scepclient", "-private-key", "client.key", "-certificate", "client.pem", "-server-url", server.url(),
             "-challenge", challenge, "-cn", fmt::format("client{}", i), "-organization", "Example"},
            {{}, place, {}}, {(place / "client.pem").string()});
    }
    return sum;
}

}  // namespace hwenroll::bench
