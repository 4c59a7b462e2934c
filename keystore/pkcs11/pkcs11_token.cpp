#include "keystore/pkcs11/pkcs11_token.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/login_rules.h"
#include "keystore/pkcs11/repeated_look.h"
#include "keystore/pkcs11/token_keys.h"

namespace hwenroll::keystore {

using namespace pkcs11;

class Pkcs11Token::Impl {
 public:
    Impl(Pkcs11Options options, PinSource pin, VendorGate gate)
        : options_(std::move(options)), pin_(std::move(pin)), gate_(std::move(gate)) {}

    Result<TokenDescription> describe_token();
    Result<LoginPreparation> prepare_login();
    LoginOutcome login(const LoginHistory& history);

    /// Runs `operation` on the keys of the logged-in token, one caller at a time, after the login is settled.
    template <class Operation>
    auto with_keys(Operation operation) -> decltype(operation(std::declval<TokenKeys&>())) {
        const std::lock_guard lock(mutex_);
        if (!keys_) {
            return fail(ErrorCode::token_operation, fmt::format("token '{}' is not logged in", options_.name));
        }
        if (const auto settled = keys_->settle_login(); !settled) {
            return fail(settled.error());
        }
        auto outcome = operation(*keys_);
        if (keys_->pin_refused()) {
            own_refusals_.refused = pin_identity_;
            own_refusals_.refused_unidentified = !pin_identity_;
        }
        return outcome;
    }

 private:
    /// A login but for its C_Login.
    struct Prepared {
        Pin pin;
        Slot slot;
        Session session;
    };

    Result<Slot> look_at_token();
    Result<Slot> find_token();
    Status load_module();
    Result<SlotView> look_for(const TokenUri& uri);
    [[nodiscard]] LoginHistory with_own_refusals(const LoginHistory& history) const;
    std::optional<Error> pin_is_missing(const CK_TOKEN_INFO& token) const;
    LoginOutcome log_in(Prepared prepared);
    LoginOutcome failed_login(const CallFailure& failure, const std::optional<PinSourceIdentity>& source);
    [[nodiscard]] tl::unexpected<Error> cannot(const char* doing, const CallFailure& failure) const;

    const Pkcs11Options options_;
    const PinSource pin_;
    const VendorGate gate_;
    std::mutex mutex_;
    // In this order, so that destruction ends keys and session before the module.
    std::shared_ptr<Module> module_;
    std::optional<Slot> slot_;
    std::optional<Prepared> prepared_;
    std::optional<TokenKeys> keys_;
    std::optional<PinSourceIdentity> pin_identity_;  ///< of the PIN that keys_ is logged in with
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
    bool loaded_before = module_ != nullptr;
    RepeatedLook look;
    auto view = look_for(*uri);
    // Some modules look for tokens only in C_Initialize (SoftHSM 2.6.1), so each look is by a module that is loaded
    // anew.
    while (view && view->tokens.empty() && (std::exchange(loaded_before, false) || (view->unclear && look.again()))) {
        module_.reset();
        view = look_for(*uri);
    }
    if (!view || view->tokens.empty()) {
        module_.reset();
    }
    if (!view) {
        return fail(std::move(view.error()));
    }
    if (view->tokens.empty()) {
        return fail(ErrorCode::token_absent,
                    fmt::format("no token matches '{}' (token '{}')", options_.uri, options_.name));
    }
    if (view->tokens.size() > 1) {
        return fail(ErrorCode::token_ambiguous,
                    fmt::format("{} tokens match '{}' (token '{}')", view->tokens.size(), options_.uri, options_.name));
    }
    slot_ = view->tokens.front();
    return *slot_;
}

Status Pkcs11Token::Impl::load_module() {
    if (module_) {
        return {};
    }
    if (auto passed = pass(gate_); !passed) {
        return passed;
    }
    auto loaded = Module::load(options_.module);
    if (!loaded) {
        return fail(std::move(loaded.error()));
    }
    module_ = *std::move(loaded);
    return {};
}

/// The tokens that match, as the module shows them now.
Result<SlotView> Pkcs11Token::Impl::look_for(const TokenUri& uri) {
    if (auto loaded = load_module(); !loaded) {
        return fail(std::move(loaded.error()));
    }
    auto view = slots_with_tokens(*module_);
    if (!view) {
        return fail(code_of(view.error().rv), fmt::format("cannot list the tokens of module '{}'", options_.module),
                    view.error().text());
    }
    std::erase_if(view->tokens, [&](const Slot& slot) { return !uri.matches(slot.token); });
    return *std::move(view);
}

Result<TokenDescription> Pkcs11Token::Impl::describe_token() {
    const std::lock_guard lock(mutex_);
    const auto slot = look_at_token();
    if (!slot) {
        return fail(slot.error());
    }
    TokenDescription description = description_of(slot->token);
    description.mechanisms = mechanisms_of(*module_, slot->number);
    if (slot->token.ulFreePrivateMemory != CK_UNAVAILABLE_INFORMATION) {
        description.free_octets = slot->token.ulFreePrivateMemory;
    }
    return description;
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
    if (pin_.kind() != PinSource::Kind::none || (token.flags & CKF_LOGIN_REQUIRED) == 0) {
        return std::nullopt;
    }
    const bool own_keypad = (token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
    return Error(own_keypad ? ErrorCode::token_keypad : ErrorCode::token_pin_source,
                 fmt::format("token '{}' needs a login but its configuration has no 'pin'", options_.name),
                 own_keypad ? "its PIN is entered at the device, by somebody who is there "
                              "(CKF_PROTECTED_AUTHENTICATION_PATH)"
                            : "");
}

tl::unexpected<Error> Pkcs11Token::Impl::cannot(const char* doing, const CallFailure& failure) const {
    return fail(code_of(failure.rv), fmt::format("token '{}' cannot {}", options_.name, doing), failure.text());
}

/// The PIN is read before vendor code is loaded; a locked PIN is reported before a refused one, because it needs more
/// than a new PIN.
Result<LoginPreparation> Pkcs11Token::Impl::prepare_login() {
    const std::lock_guard lock(mutex_);
    prepared_.reset();
    const bool lost = keys_ && keys_->login_lost();
    keys_.reset();
    if (lost) {
        slot_.reset();
        module_.reset();
    }
    Pin pin;
    if (pin_.kind() != PinSource::Kind::none) {
        // A command that hangs must end before the worker does, or its fault would look like the token's.
        auto read = pin_.read(options_.deadlines.login / 2);
        if (!read) {
            return fail(std::move(read.error()));
        }
        pin = *std::move(read);
    }
    const auto slot = look_at_token();
    if (!slot) {
        return fail(slot.error());
    }
    LoginPreparation found{pin.identity, description_of(slot->token)};
    if (auto forbidden = forbidden_by_flags(options_.name, found.token, {})) {
        return fail(*std::move(forbidden));
    }
    if (auto missing = pin_is_missing(slot->token)) {
        return fail(*std::move(missing));
    }
    auto session = Session::open(module_, slot->number);
    if (!session) {
        return cannot("open a session", session.error());
    }
    prepared_.emplace(Prepared{std::move(pin), *slot, *std::move(session)});
    failpoint("login-prepared");
    return found;
}

LoginOutcome Pkcs11Token::Impl::login(const LoginHistory& given) {
    const std::lock_guard lock(mutex_);
    if (keys_ && !keys_->login_lost()) {
        return LoginOutcome{LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    auto prepared = std::exchange(prepared_, std::nullopt);
    if (!prepared) {
        return {LoginOutcome::Result::not_tried, std::nullopt,
                Error(ErrorCode::token_operation, fmt::format("token '{}' cannot log in", options_.name),
                      "the login was not prepared")};
    }
    const LoginHistory history = with_own_refusals(given);
    auto forbidden = forbidden_by_flags(options_.name, description_of(prepared->slot.token), history);
    if (!forbidden) {
        forbidden = forbidden_by_refusal(options_.name, prepared->pin.identity, history);
    }
    if (forbidden) {
        return {LoginOutcome::Result::not_tried, prepared->pin.identity, std::move(forbidden)};
    }
    return log_in(*std::move(prepared));
}

/// At most one C_Login, none without a PIN.
LoginOutcome Pkcs11Token::Impl::log_in(Prepared prepared) {
    const auto identity = prepared.pin.identity;
    failpoint("login-begun");
    if (!prepared.pin.value.empty()) {
        if (const auto done = prepared.session.login(prepared.pin.value); !done) {
            return failed_login(done.error(), identity);
        }
    }
    failpoint("login-ended");
    own_refusals_ = LoginHistory{};
    pin_identity_ = identity;
    keys_.emplace(options_.name, module_, prepared.slot, std::move(prepared.session), std::move(prepared.pin));
    return {LoginOutcome::Result::accepted, identity, std::nullopt};
}

/// What is neither a refusal nor an answer from before the PIN was looked at may have cost a try.
LoginOutcome Pkcs11Token::Impl::failed_login(const CallFailure& failure,
                                             const std::optional<PinSourceIdentity>& source) {
    if (is_pin_refusal(failure.rv)) {
        own_refusals_.refused = source;
        own_refusals_.refused_unidentified = !source;
        return {LoginOutcome::Result::refused, source,
                refusal(options_.name, code_of(failure.rv), failure.text(), source.has_value())};
    }
    const auto result = precedes_pin(failure.rv) ? LoginOutcome::Result::not_tried : LoginOutcome::Result::unknown;
    return {result, source, cannot("log in", failure).value()};
}

Pkcs11Token::Pkcs11Token(Pkcs11Options options, PinSource pin, VendorGate gate)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(pin), std::move(gate))) {}

Pkcs11Token::~Pkcs11Token() = default;

Result<TokenDescription> Pkcs11Token::describe() {
    return impl_->describe_token();
}

Result<LoginPreparation> Pkcs11Token::prepare_login() {
    return impl_->prepare_login();
}

LoginOutcome Pkcs11Token::login(const LoginHistory& history) {
    return impl_->login(history);
}

Result<bool> Pkcs11Token::settle_login() {
    return impl_->with_keys([](TokenKeys& keys) { return keys.settle_login(); });
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
    return impl_->with_keys([&](TokenKeys& keys) { return keys.decrypt(key, mechanism, ciphertext); });
}

Result<Secret> Pkcs11Token::agree(const KeyReference& key, const PublicKey& peer) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.agree(key, peer); });
}

Status Pkcs11Token::destroy(const KeyId& id) {
    return impl_->with_keys([&](TokenKeys& keys) { return keys.destroy(id); });
}

Result<std::vector<TokenDescription>> list_tokens(const std::string& module, const VendorGate& gate) {
    if (auto passed = pass(gate); !passed) {
        return fail(std::move(passed.error()));
    }
    SlotView view;
    RepeatedLook look;
    do {
        const auto loaded = Module::load(module);
        if (!loaded) {
            return fail(loaded.error());
        }
        auto seen = slots_with_tokens(**loaded);
        if (!seen) {
            return fail(code_of(seen.error().rv), fmt::format("cannot list the tokens of module '{}'", module),
                        seen.error().text());
        }
        view = *std::move(seen);
    } while (view.tokens.empty() && view.unclear && look.again());
    std::vector<TokenDescription> tokens;
    std::transform(view.tokens.begin(), view.tokens.end(), std::back_inserter(tokens),
                   [](const Slot& slot) { return description_of(slot.token); });
    return tokens;
}

}  // namespace hwenroll::keystore
