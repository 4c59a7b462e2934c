#include "keystore/pkcs11/pkcs11_token.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "keystore/pkcs11/login_rules.h"
#include "keystore/pkcs11/token_keys.h"

namespace hwenroll::keystore {

using namespace pkcs11;

class Pkcs11Token::Impl {
 public:
    Impl(Pkcs11Options options, PinSource pin) : options_(std::move(options)), pin_(std::move(pin)) {}

    Result<TokenDescription> describe_token();
    LoginOutcome login(const LoginHistory& history);

    /// Runs `operation` on the keys of the logged-in token, one caller at a time.
    template <class Operation>
    auto with_keys(Operation operation) -> decltype(operation(std::declval<TokenKeys&>())) {
        const std::lock_guard lock(mutex_);
        if (!keys_) {
            return fail(ErrorCode::token_operation, fmt::format("token '{}' is not logged in", options_.name));
        }
        return operation(*keys_);
    }

 private:
    Result<Slot> look_at_token();
    Result<Slot> find_token();
    [[nodiscard]] LoginHistory with_own_refusals(const LoginHistory& history) const;
    std::optional<Error> pin_is_missing(const CK_TOKEN_INFO& token) const;
    LoginOutcome log_in(const Slot& slot, const Pin& pin);

    const Pkcs11Options options_;
    const PinSource pin_;
    std::mutex mutex_;
    // In this order, so that destruction ends keys and session before the module.
    std::shared_ptr<Module> module_;
    std::optional<Slot> slot_;
    std::optional<TokenKeys> keys_;
    LoginHistory own_refusals_;
};

/// The token as it is now; the module is loaded and the slot found when that has not been done.
Result<Slot> Pkcs11Token::Impl::look_at_token() {
    if (slot_) {
        if (auto info = token_info(*module_, slot_->number)) {
            if (uri_of(*info) == uri_of(slot_->token)) {
                slot_->token = *info;
                return *slot_;
            }
        }
        if (keys_) {
            return fail(ErrorCode::token_absent, fmt::format("token '{}' has gone", options_.name));
        }
        slot_.reset();
    }
    return find_token();
}

Result<Slot> Pkcs11Token::Impl::find_token() {
    const auto uri = TokenUri::parse(options_.uri);
    if (!uri) {
        return fail(Error(uri.error()).about(fmt::format("token.{}", options_.name)));
    }
    if (!module_) {
        auto loaded = Module::load(options_.module);
        if (!loaded) {
            return fail(loaded.error());
        }
        module_ = *std::move(loaded);
    }
    auto slots = slots_with_tokens(*module_);
    if (!slots) {
        module_.reset();
        return fail(code_of(slots.error().rv), fmt::format("cannot list the tokens of module '{}'", options_.module),
                    slots.error().text());
    }
    std::erase_if(*slots, [&](const Slot& slot) { return !uri->matches(slot.token); });
    if (slots->empty()) {
        // Some modules look for tokens only in C_Initialize (SoftHSM 2.6.1).
        module_.reset();
        return fail(ErrorCode::token_absent,
                    fmt::format("no token matches '{}' (token '{}')", options_.uri, options_.name));
    }
    if (slots->size() > 1) {
        return fail(ErrorCode::token_ambiguous,
                    fmt::format("{} tokens match '{}' (token '{}')", slots->size(), options_.uri, options_.name));
    }
    slot_ = slots->front();
    return *slot_;
}

Result<TokenDescription> Pkcs11Token::Impl::describe_token() {
    const std::lock_guard lock(mutex_);
    const auto slot = look_at_token();
    if (!slot) {
        return fail(slot.error());
    }
    return description_of(slot->token);
}

LoginHistory Pkcs11Token::Impl::with_own_refusals(const LoginHistory& history) const {
    LoginHistory merged = history;
    if (own_refusals_.refused) {
        merged.refused = own_refusals_.refused;
    }
    merged.refused_unidentified = merged.refused_unidentified || own_refusals_.refused_unidentified;
    return merged;
}

std::optional<Error> Pkcs11Token::Impl::pin_is_missing(const CK_TOKEN_INFO& token) const {
    if (pin_.kind() == PinSource::Kind::none && (token.flags & CKF_LOGIN_REQUIRED) != 0) {
        return Error(ErrorCode::token_pin_source,
                     fmt::format("token '{}' needs a login but its configuration has no 'pin'", options_.name));
    }
    return std::nullopt;
}

/// The PIN is read before vendor code is loaded, unless a refusal forbids reading it; a locked PIN is reported before
/// a refused one, because it needs more than a new PIN.
LoginOutcome Pkcs11Token::Impl::login(const LoginHistory& given) {
    const std::lock_guard lock(mutex_);
    if (keys_ && !keys_->login_lost()) {
        return LoginOutcome{LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    keys_.reset();
    LoginOutcome not_tried;
    const auto stop = [&](Error error) {
        not_tried.error = std::move(error);
        return std::move(not_tried);
    };

    const LoginHistory history = with_own_refusals(given);
    const auto identity = pin_.identity();
    if (!identity) {
        return stop(identity.error());
    }
    not_tried.source = *identity;
    std::optional<Error> refused = forbidden_by_refusal(options_.name, *identity, history);
    Pin pin;
    if (!refused && pin_.kind() != PinSource::Kind::none) {
        auto read = pin_.read(options_.deadlines.login);
        if (!read) {
            return stop(read.error());
        }
        pin = *std::move(read);
        not_tried.source = pin.identity;
        refused = forbidden_by_refusal(options_.name, pin.identity, history);  // the file may just have been replaced
    }
    const auto slot = look_at_token();
    if (!slot) {
        return stop(refused ? *refused : slot.error());
    }
    if (auto forbidden = forbidden_by_flags(options_.name, description_of(slot->token), history)) {
        return stop(*std::move(forbidden));
    }
    if (refused) {
        return stop(*std::move(refused));
    }
    if (auto missing = pin_is_missing(slot->token)) {
        return stop(*std::move(missing));
    }
    return log_in(*slot, pin);
}

/// At most one C_Login, none without a PIN.
LoginOutcome Pkcs11Token::Impl::log_in(const Slot& slot, const Pin& pin) {
    LoginOutcome outcome{LoginOutcome::Result::not_tried, pin.identity, std::nullopt};
    auto session = Session::open(module_, slot.number);
    if (!session) {
        outcome.error = Error(code_of(session.error().rv),
                              fmt::format("token '{}' cannot open a session", options_.name), session.error().text());
        return outcome;
    }
    const bool with_pin = !pin.value.empty();
    if (with_pin) {
        if (const auto done = session->login(pin.value); !done) {
            const CallFailure& failure = done.error();
            if (is_pin_refusal(failure.rv)) {
                outcome.result = LoginOutcome::Result::refused;
                outcome.error = refusal(options_.name, code_of(failure.rv), failure.text(), pin.identity.has_value());
                own_refusals_.refused = pin.identity;
                own_refusals_.refused_unidentified = !pin.identity;
            } else {
                outcome.error =
                    Error(code_of(failure.rv), fmt::format("token '{}' cannot log in", options_.name), failure.text());
            }
            return outcome;
        }
    }
    own_refusals_ = LoginHistory{};
    outcome.result = LoginOutcome::Result::accepted;
    keys_.emplace(options_.name, module_, slot, *std::move(session), with_pin);
    return outcome;
}

Pkcs11Token::Pkcs11Token(Pkcs11Options options, PinSource pin)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(pin))) {}

Pkcs11Token::~Pkcs11Token() = default;

Result<TokenDescription> Pkcs11Token::describe() {
    return impl_->describe_token();
}

LoginOutcome Pkcs11Token::login(const LoginHistory& history) {
    return impl_->login(history);
}

Result<std::vector<KeyDescription>> Pkcs11Token::list_keys() {
    return impl_->with_keys([](TokenKeys& keys) { return keys.list(); });
}

Result<KeyDescription> Pkcs11Token::generate(KeySpec spec, const KeyId& id, const std::string& label) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.generate(spec, id, label); });
}

Result<std::optional<KeyDescription>> Pkcs11Token::find(const KeyId& id) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.find(id); });
}

Result<Bytes> Pkcs11Token::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.sign(key, mechanism, input); });
}

Result<Secret> Pkcs11Token::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    if (mechanism != DecryptMechanism::rsa_pkcs1) {
        return fail(ErrorCode::token_operation, "a PKCS#11 token cannot decrypt", "unknown mechanism");
    }
    return impl_->with_keys([&](TokenKeys& keys) { return keys.decrypt(key, ciphertext); });
}

Status Pkcs11Token::destroy(const KeyId& id) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.destroy(id); });
}

Result<std::vector<TokenDescription>> list_tokens(const std::string& module) {
    const auto loaded = Module::load(module);
    if (!loaded) {
        return fail(loaded.error());
    }
    const auto slots = slots_with_tokens(**loaded);
    if (!slots) {
        return fail(code_of(slots.error().rv), fmt::format("cannot list the tokens of module '{}'", module),
                    slots.error().text());
    }
    std::vector<TokenDescription> tokens;
    std::transform(slots->begin(), slots->end(), std::back_inserter(tokens),
                   [](const Slot& slot) { return description_of(slot.token); });
    return tokens;
}

}  // namespace hwenroll::keystore
