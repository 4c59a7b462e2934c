#include "keystore/tpm2/tpm2_token.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/login_rules.h"
#include "keystore/tpm2/tpm_keys.h"

namespace hwenroll::keystore {

using namespace tpm2;

class Tpm2Token::Impl {
 public:
    Impl(Tpm2Options options, PinSource auth, VendorGate gate)
        : options_(std::move(options)),
          gate_(std::move(gate)),
          // What asks for more patience than half of a use is late (P6, P7): the worker's deadline stands behind it.
          port_{options_.tcti, options_.deadlines.use / 2},
          auth_(options_.name, std::move(auth)),
          keys_(options_, port_, auth_) {}

    Result<TokenDescription> describe_token() {
        const std::lock_guard lock(mutex_);
        return look_at_tpm();
    }
    Result<LoginPreparation> prepare_login();
    LoginOutcome login(const LoginHistory& history);
    [[nodiscard]] bool has_auth() const { return !options_.auth.empty(); }

    /// Runs `operation` on the keys, one caller at a time.
    template <class Operation>
    auto with_keys(Operation operation) -> decltype(operation(std::declval<TpmKeys&>())) {
        const std::lock_guard lock(mutex_);
        if (!logged_in_) {
            return fail(ErrorCode::token_operation, fmt::format("token '{}' is not logged in", options_.name));
        }
        auto outcome = operation(keys_);
        logged_in_ = outcome.has_value() || outcome.error().code() != ErrorCode::token_login_lost;
        return outcome;
    }

 private:
    /// Keys are used after this only: without it there is no login.
    Result<TokenDescription> look_at_tpm() {
        if (auto passed = pass(gate_); !passed) {
            return fail(std::move(passed.error()));
        }
        return keys_.describe();
    }

    const Tpm2Options options_;
    const VendorGate gate_;
    std::mutex mutex_;
    Port port_;
    KeyAuth auth_;
    TpmKeys keys_;
    std::optional<Pin> prepared_;
    bool logged_in_ = false;
};

/// The value is read before the TPM is looked for, as a PIN before its module is.
Result<LoginPreparation> Tpm2Token::Impl::prepare_login() {
    const std::lock_guard lock(mutex_);
    prepared_.reset();
    logged_in_ = false;
    Pin pin;
    if (auth_.source().kind() != PinSource::Kind::none) {
        auto read = auth_.source().read(options_.deadlines.login / 2);
        if (!read) {
            return fail(std::move(read.error()));
        }
        pin = *std::move(read);
    }
    auto description = look_at_tpm();
    if (!description) {
        return fail(std::move(description.error()));
    }
    LoginPreparation found{pin.identity, *std::move(description)};
    prepared_.emplace(std::move(pin));
    failpoint("login-prepared");
    return found;
}

LoginOutcome Tpm2Token::Impl::login(const LoginHistory& history) {
    const std::lock_guard lock(mutex_);
    if (logged_in_) {
        return {LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    auto pin = std::exchange(prepared_, std::nullopt);
    if (!pin) {
        return {LoginOutcome::Result::not_tried, std::nullopt,
                Error(ErrorCode::token_operation, fmt::format("token '{}' cannot log in", options_.name),
                      "the login was not prepared")};
    }
    if (auto forbidden = forbidden_by_refusal(options_.name, pin->identity, history)) {
        return {LoginOutcome::Result::not_tried, pin->identity, std::move(forbidden)};
    }
    LoginOutcome outcome{LoginOutcome::Result::accepted, pin->identity, std::nullopt};
    auth_.take(*std::move(pin));
    logged_in_ = true;
    return outcome;
}

Tpm2Token::Tpm2Token(Tpm2Options options, PinSource auth, VendorGate gate)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(auth), std::move(gate))) {}

Tpm2Token::~Tpm2Token() = default;

Result<TokenDescription> Tpm2Token::describe() {
    return impl_->describe_token();
}

Result<LoginPreparation> Tpm2Token::prepare_login() {
    return impl_->prepare_login();
}

LoginOutcome Tpm2Token::login(const LoginHistory& history) {
    return impl_->login(history);
}

Result<bool> Tpm2Token::settle_login() {
    return impl_->has_auth();
}

Result<std::vector<KeyDescription>> Tpm2Token::list_keys() {
    return impl_->with_keys([](TpmKeys& keys) { return keys.list(); });
}

Result<KeyDescription> Tpm2Token::generate(KeySpec spec, const KeyId& id, const std::string& /*label*/) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.generate(spec, id); });
}

Result<std::optional<KeyDescription>> Tpm2Token::find(const KeyId& id) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.find(id); });
}

Result<KeyDescription> Tpm2Token::look_up(const KeyReference& key) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.look_up(key); });
}

Result<Bytes> Tpm2Token::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.sign(key, mechanism, input); });
}

Result<Secret> Tpm2Token::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.decrypt(key, mechanism, ciphertext); });
}

Result<Secret> Tpm2Token::agree(const KeyReference& key, const PublicKey& peer) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.agree(key, peer); });
}

Result<KeyEvidence> Tpm2Token::certify(const KeyReference& key, ByteView nonce) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.certify(key, nonce); });
}

Status Tpm2Token::destroy(const KeyId& id) {
    return impl_->with_keys([&](TpmKeys& keys) { return keys.destroy(id); });
}

}  // namespace hwenroll::keystore
