#include "tests/bench/fleet.h"

#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "agent/config/loader.h"
#include "agent/publish/publisher.h"
#include "agent/runtime/configuration_mark.h"
#include "agent/runtime/key_uri.h"
#include "agent/store/store.h"
#include "base/pem.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/test_paths.h"

namespace hwenroll::bench {
namespace {

constexpr const char* pin = "1234";

template <class T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().line());
    }
    return *std::move(result);
}

void must(const Status& status) {
    if (!status) {
        throw std::runtime_error(status.error().line());
    }
}

std::vector<Certificate> certificates_of(const std::vector<Bytes>& ders) {
    std::vector<Certificate> certificates;
    for (const Bytes& der : ders) {
        certificates.push_back(must(Certificate::from_der(der)));
    }
    return certificates;
}

}  // namespace

Fleet::Fleet(int identities) {
    make_key();
    start_authority();
    configure(1);
    enroll_first();
    configure(identities);
    copy_first(identities);
}

std::string Fleet::name(int number) {
    return fmt::format("i{:05}", number);
}

void Fleet::make_key() {
    hsm_.init_token("lab", "87654321", pin);
    pin_ = hsm_.pin_file(pin);
    keystore::Pkcs11Options options;
    options.name = "lab";
    options.module = test::SoftHsm::module();
    options.uri = test::SoftHsm::token_uri("lab");
    options.pin = pin_;
    keystore::Pkcs11Token token(options, must(keystore::PinSource::parse(pin_)));
    if (const auto outcome = keystore::try_login(token); outcome.error) {
        throw std::runtime_error(outcome.error->line());
    }
    must(token.generate(keystore::KeySpec::rsa_2048, {Bytes{1}}, "the fleet's"));
}

void Fleet::start_authority() {
    const std::string challenge = (directory_ / "challenge").string();
    test::write_file(challenge, "challenge-55128846", 0600);
    const std::string ready = (directory_ / "ca.url").string();
    authority_ = std::make_unique<test::ChildProcess>(
        std::vector<std::string>{test::program("scep-lab-ca"), "--dir", (directory_ / "ca").string(), "--listen",
                                 "127.0.0.1:0", "--challenge-file", challenge, "--ready-file", ready});
    while (!std::filesystem::exists(ready)) {
        if (authority_->wait(std::chrono::milliseconds(10))) {
            throw std::runtime_error("scep-lab-ca ended: " + authority_->err());
        }
    }
    url_ = test::read_file(ready);
    url_.erase(url_.find_last_not_of('\n') + 1);
    const auto anchors = must(certificates_from_pem(test::read_file(directory_ / "ca" / "ca.pem")));
    fingerprint_ = "SHA256:" + to_hex(anchors.front().fingerprint(), ':');
}

void Fleet::configure(int identities) {
    std::string text = fmt::format(
        "[agent]\nstate_dir = \"{0}/state\"\nruntime_dir = \"{0}/run\"\npublish_dir = \"{0}/live\"\n\n"
        "[token.lab]\ntype = \"pkcs11\"\nmodule = \"{1}\"\nuri = \"{2}\"\npin = \"{3}\"\n\n"
        "[ca.corp]\nurl = \"{4}\"\nfingerprint = \"{5}\"\nchallenge = \"file:{0}/challenge\"\n",
        directory_.path().string(), test::SoftHsm::module(), test::SoftHsm::token_uri("lab"), pin_, url_, fingerprint_);
    for (int i = 0; i < identities; ++i) {
        text += fmt::format(
            "[identity.{0}]\nca = \"corp\"\ntoken = \"lab\"\nkey = \"existing:pkcs11:id=%01\"\n"
            "subject = \"CN={0}\"\n",
            name(i));
    }
    test::write_file(config(), text);
}

void Fleet::enroll_first() {
    const auto enrolled =
        test::run({test::program("hwenrolld"), "--once", "--config", config()}, {}, std::chrono::minutes(1));
    if (enrolled.exit_code != 0) {
        throw std::runtime_error("hwenrolld --once: " + enrolled.err);
    }
}

void Fleet::copy_first(int identities) {
    const config::Configuration configuration = must(config::load(config::only(config())));
    auto store = must(store::Store::open(configuration.agent.state_dir, {}));
    const publish::Publisher publisher(configuration.agent.publish_dir);
    lifecycle::IdentityState state = must(store.identity(name(0)));
    const config::TokenSettings& token = configuration.tokens.at("lab");
    const lifecycle::IssuedRecord issued = state.current.value().issued;
    publish::Generation generation{{},
                                   state.current->generation,
                                   must(Certificate::from_der(issued.leaf)),
                                   certificates_of(issued.chain),
                                   certificates_of(issued.anchors),
                                   runtime::key_uri(token.uri, state.current->key.id)};
    for (int i = 1; i < identities; ++i) {
        const config::IdentitySettings& settings = configuration.identities.at(name(i));
        state.current->name_mark = runtime::name_mark(settings, token);
        state.current->content_mark = runtime::content_mark(settings);
        must(store.commit(settings.name, token.name, state, "enrolled with the others", issued.not_before));
        generation.identity = settings.name;
        must(publisher.publish(generation, {settings.mode, settings.group}));
    }
}

std::unique_ptr<test::ChildProcess> Fleet::start(std::vector<std::string> environment) const {
    return std::make_unique<test::ChildProcess>(
        std::vector<std::string>{test::program("hwenrolld"), "--config", config()},
        test::ChildOptions{std::move(environment), {}, {}});
}

}  // namespace hwenroll::bench
