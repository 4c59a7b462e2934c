#include "tests/keystore/software_token.h"

#include <algorithm>
#include <utility>

#include "keystore/ecdh.h"
#include "keystore/login_rules.h"

namespace hwenroll::keystore::test {

namespace {

using namespace std::chrono_literals;

constexpr auto name = "memory";

// SHA-1 and SHA-512.
constexpr std::size_t shortest_digest = 20;
constexpr std::size_t longest_digest = 64;

KeyDescription described(KeyReference key, std::string label) {
    const bool ec = key.public_key.is_ec();
    std::string uri = "memory:id=" + to_hex(key.id.value);
    return {std::move(key), std::move(label), KeyProtection{true, false, true, true, true}, true, !ec, ec,
            std::move(uri)};
}

}  // namespace

SoftwareToken::SoftwareToken(std::shared_ptr<SoftwareDevice> device, PinSource pin)
    : device_(std::move(device)), pin_(std::move(pin)) {}

SoftwareToken::SoftwareToken(KeySpec spec)
    : SoftwareToken(std::make_shared<SoftwareDevice>(), PinSource::parse("").value()) {
    logged_in_ = true;
    generate(spec, KeyId{{1}}, "key").value();
}

KeyReference SoftwareToken::key() const {
    return device_->keys.front().description.key;
}

void SoftwareToken::swap_key() {
    SoftwareDevice::Key& first = device_->keys.front();
    const bool ec = first.description.key.public_key.is_ec();
    first.pair = make_software_key(!ec                                                           ? KeySpec::rsa_2048
                                   : matches(KeySpec::ec_p256, first.description.key.public_key) ? KeySpec::ec_p256
                                                                                                 : KeySpec::ec_p384);
}

Status SoftwareToken::present() {
    if (!device_->present) {
        logged_in_ = false;
        return fail(ErrorCode::token_absent, "the token in memory is away");
    }
    return {};
}

Status SoftwareToken::usable() {
    if (auto here = present(); !here) {
        return here;
    }
    return logged_in_ ? Status() : fail(ErrorCode::token_operation, "the token in memory is not logged in");
}

TokenDescription SoftwareToken::description() const {
    TokenDescription token;
    token.label = device_->label;
    token.manufacturer = "hwenroll";
    token.model = "memory";
    token.serial = "1";
    token.uri = "memory:label=" + device_->label;
    token.login_required = !device_->pin.empty();
    token.initialized = true;
    token.pin_count_low = device_->refused > 0;
    token.pin_final_try = device_->refused == device_->most_tries - 1;
    token.pin_locked = device_->refused >= device_->most_tries;
    return token;
}

Result<TokenDescription> SoftwareToken::describe() {
    const std::lock_guard lock(device_->mutex);
    if (auto here = present(); !here) {
        return fail(std::move(here.error()));
    }
    return description();
}

Result<LoginPreparation> SoftwareToken::prepare_login() {
    const std::lock_guard lock(device_->mutex);
    prepared_.reset();
    logged_in_ = false;
    Pin pin;
    if (pin_.kind() != PinSource::Kind::none) {
        auto read = pin_.read(1s);
        if (!read) {
            return fail(std::move(read.error()));
        }
        pin = *std::move(read);
    }
    if (auto here = present(); !here) {
        return fail(std::move(here.error()));
    }
    LoginPreparation found{pin.identity, description()};
    if (auto forbidden = forbidden_by_flags(name, found.token, {})) {
        return fail(*std::move(forbidden));
    }
    prepared_.emplace(std::move(pin));
    return found;
}

LoginOutcome SoftwareToken::login(const LoginHistory& history) {
    const std::lock_guard lock(device_->mutex);
    if (logged_in_) {
        return {LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    auto pin = std::exchange(prepared_, std::nullopt);
    if (!pin) {
        return {LoginOutcome::Result::not_tried, std::nullopt,
                Error(ErrorCode::token_operation, "the token in memory cannot log in", "the login was not prepared")};
    }
    auto forbidden = forbidden_by_flags(name, description(), history);
    if (!forbidden) {
        forbidden = forbidden_by_refusal(name, pin->identity, history);
    }
    if (forbidden) {
        return {LoginOutcome::Result::not_tried, pin->identity, std::move(forbidden)};
    }
    return judge(*std::move(pin));
}

LoginOutcome SoftwareToken::judge(Pin pin) {
    if (!device_->pin.empty() && !equal(pin.value.reveal(), as_bytes(device_->pin))) {
        ++device_->refused;
        ++device_->refusals;
        return {LoginOutcome::Result::refused, pin.identity,
                refusal(name, ErrorCode::token_pin, "it is another one", pin.identity.has_value())};
    }
    device_->refused = 0;
    logged_in_ = true;
    return {LoginOutcome::Result::accepted, pin.identity, std::nullopt};
}

Result<std::vector<KeyDescription>> SoftwareToken::list_keys() {
    const std::lock_guard lock(device_->mutex);
    if (auto able = usable(); !able) {
        return fail(std::move(able.error()));
    }
    std::vector<KeyDescription> keys;
    std::ranges::transform(device_->keys, std::back_inserter(keys), &SoftwareDevice::Key::description);
    return keys;
}

Result<KeyDescription> SoftwareToken::generate(KeySpec spec, const KeyId& id, const std::string& label) {
    const std::lock_guard lock(device_->mutex);
    if (auto able = usable(); !able) {
        return fail(std::move(able.error()));
    }
    if (std::ranges::any_of(device_->keys, [&](const auto& each) { return each.description.key.id == id; })) {
        return fail(ErrorCode::token_key_mismatch,
                    "the token in memory already holds a key with id " + to_hex(id.value));
    }
    if (device_->keys.size() >= device_->room) {
        return fail(ErrorCode::token_full, "the token in memory is full");
    }
    auto pair = make_software_key(spec);
    auto public_key = PublicKey::of(pair.get());
    if (!public_key) {
        return fail(std::move(public_key.error()));
    }
    device_->keys.push_back({described({id, *std::move(public_key)}, label), std::move(pair)});
    return device_->keys.back().description;
}

Result<std::optional<KeyDescription>> SoftwareToken::find(const KeyId& id) {
    const std::lock_guard lock(device_->mutex);
    if (auto able = usable(); !able) {
        return fail(std::move(able.error()));
    }
    const auto found =
        std::ranges::find_if(device_->keys, [&](const auto& each) { return each.description.key.id == id; });
    return found == device_->keys.end() ? std::nullopt : std::optional(found->description);
}

/// The pair behind `key`, by id and public key (T5, T7).
Result<EVP_PKEY*> SoftwareToken::use(const KeyReference& key) {
    if (auto able = usable(); !able) {
        return fail(std::move(able.error()));
    }
    const auto found =
        std::ranges::find_if(device_->keys, [&](const auto& each) { return each.description.key.id == key.id; });
    if (found == device_->keys.end()) {
        return fail(ErrorCode::token_key_missing, "the token in memory has no key with id " + to_hex(key.id.value));
    }
    if (found->description.key.public_key != key.public_key) {
        return fail(ErrorCode::token_key_mismatch,
                    "the token in memory has another public key under id " + to_hex(key.id.value));
    }
    if (error_) {
        return fail(*error_);
    }
    return found->pair.get();
}

Result<Bytes> SoftwareToken::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    const std::lock_guard lock(device_->mutex);
    const bool fits = key.public_key.is_ec() ? mechanism == SignMechanism::ecdsa && input.size() >= shortest_digest &&
                                                   input.size() <= longest_digest
                                             : mechanism == SignMechanism::rsa_pkcs1;
    const auto pair = use(key);
    if (!pair || !fits) {
        return pair ? fail(ErrorCode::token_operation, "the token in memory was not asked to sign")
                    : fail(pair.error());
    }
    return sign_in_software(*pair, input);
}

Result<Secret> SoftwareToken::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    const std::lock_guard lock(device_->mutex);
    const auto pair = use(key);
    if (!pair || key.public_key.is_ec()) {
        return pair ? fail(ErrorCode::token_operation, "the token in memory was not asked to decrypt")
                    : fail(pair.error());
    }
    return decrypt_in_software(*pair, ciphertext, mechanism);
}

Result<Secret> SoftwareToken::agree(const KeyReference& key, const PublicKey& peer) {
    const std::lock_guard lock(device_->mutex);
    const auto pair = use(key);
    if (!pair || !peer_point(key.public_key, peer)) {
        return pair ? fail(ErrorCode::token_operation, "the token in memory was not asked to agree")
                    : fail(pair.error());
    }
    return agree_in_software(*pair, peer);
}

Status SoftwareToken::destroy(const KeyId& id) {
    const std::lock_guard lock(device_->mutex);
    if (auto able = usable(); !able) {
        return able;
    }
    std::erase_if(device_->keys, [&](const SoftwareDevice::Key& each) { return each.description.key.id == id; });
    return {};
}

}  // namespace hwenroll::keystore::test
