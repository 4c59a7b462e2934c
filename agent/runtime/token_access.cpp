#include "agent/runtime/token_access.h"

#include "agent/runtime/failpoint.h"
#include "agent/runtime/login_rules.h"

namespace hwenroll::runtime {

keystore::Pkcs11Options options_of(const config::TokenSettings& settings) {
    return {settings.name,
            settings.module.string(),
            settings.uri,
            settings.pin ? settings.pin->text() : std::string(),
            {settings.deadline_login, settings.deadline_use, settings.deadline_generate}};
}

TokenAccess::TokenAccess(const Surroundings& surroundings, const keystore::WorkerProgram& worker,
                         const config::TokenSettings& settings)
    : at_(surroundings),
      settings_(settings),
      pin_(keystore::PinSource::parse(settings.pin ? settings.pin->text() : std::string())),
      token_(std::make_shared<keystore::WorkerToken>(worker, options_of(settings))),
      thread_(surroundings.loop) {}

void TokenAccess::login(Continuation then) {
    if (token_->logged_in()) {
        return then({});
    }
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) {
        return;  // a login is under way
    }
    keystore::LoginHistory history;
    if (const Status allowed = begin_login(history); !allowed) {
        return answer(allowed);
    }
    thread_.run([token = token_, history] { return token->login(history); },
                [this](const keystore::LoginOutcome& outcome) { finish_login(outcome); });
}

/// Commits the intent before the worker may call C_Login.
Status TokenAccess::begin_login(keystore::LoginHistory& history) {
    if (!pin_) {
        return fail(pin_.error());
    }
    auto before = at_.store.login(settings_.name);
    if (!before) {
        return fail(before.error());
    }
    before_ = *std::move(before);
    std::optional<store::PinFile> source;
    // A source that cannot be looked at is the worker's to report, before any C_Login.
    if (const auto identity = pin_->identity(); identity && *identity) {
        source = to_pin_file(**identity);
    }
    auto allowed = allow_login(settings_.name, before_, source);
    if (!allowed) {
        return fail(allowed.error());
    }
    history = *allowed;
    begun_ = begun(before_, source, at_.clock.now());
    return at_.store.commit(settings_.name, begun_, {}, at_.clock.now());
}

void TokenAccess::finish_login(const keystore::LoginOutcome& outcome) {
    const std::string note = outcome.error ? outcome.error->line() : std::string();
    const Status recorded = at_.store.commit(settings_.name, ended(before_, begun_, outcome), note, at_.clock.now());
    if (outcome.error) {
        return answer(fail(*outcome.error));
    }
    answer(recorded);
}

void TokenAccess::answer(const Status& status) {
    std::vector<Continuation> waiting;
    waiting.swap(waiting_);
    for (auto& then : waiting) {
        then(status);
    }
}

}  // namespace hwenroll::runtime
