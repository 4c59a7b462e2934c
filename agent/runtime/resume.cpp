#include "agent/runtime/resume.h"

#include <algorithm>

#include "agent/lifecycle/step.h"
#include "agent/runtime/login_rules.h"
#include "agent/runtime/machine.h"
#include "agent/store/state_directory.h"
#include "agent/store/store.h"
#include "keystore/pin_source.h"

namespace hwenroll::runtime {
namespace {

/// The decision needs neither randomness nor what the configuration says. A wait for a PIN file that must change is not
/// ended by an operator's word.
Status release_hold(store::Store& store, const config::IdentitySettings& identity, TimePoint now, Resumption& done) {
    const auto state = store.identity(identity.name);
    if (!state) {
        return fail(state.error());
    }
    done.delivery_retried = lifecycle::delivery_failures(*state) > 0;
    const auto transition = lifecycle::step(*state, lifecycle::Resumed{done.pin_file_must_change}, {}, {}, now);
    done.hold_released = transition.state.hold != state->hold || transition.state.wait != state->wait;
    return transition.state == *state
               ? Status()
               : store.commit(identity.name, identity.token, transition.state, transition.note, now);
}

/// The section's records and all others about the device that it used last.
Result<std::vector<store::LoginRecord>> logins_to(store::Store& store, const std::string& token) {
    auto records = store.logins_of_section(token);
    if (!records || records->empty()) {
        return records;
    }
    const auto others = store.logins_of_device(records->back().token_uri);
    if (!others) {
        return fail(others.error());
    }
    records->insert(records->end(), others->begin(), others->end());
    return records;
}

bool waits_for_operator(const store::LoginRecord& record) {
    const bool refused = record.outcome == store::LoginRecordOutcome::refused;
    return record.outcome == store::LoginRecordOutcome::begun || (refused && !record.file);
}

/// Whether the PIN file that is configured now is one that was refused, unchanged.
bool file_must_change(const std::vector<store::LoginRecord>& records, const config::TokenSettings& token) {
    const auto source = keystore::PinSource::parse(pin_text(token));
    const auto identity = source ? source->identity() : fail(source.error());
    if (!identity || !*identity) {
        return false;  // no file, or one that cannot be looked at, which the next run reports
    }
    const auto record = forbidding(records, {pin_text(token), to_pin_file(**identity), {}});
    return record && record->outcome == store::LoginRecordOutcome::refused;
}

}  // namespace

Status release_pin(store::Store& store, const config::TokenSettings& token, TimePoint now, Resumption& done) {
    const auto records = logins_to(store, token.name);
    if (!records) {
        return fail(records.error());
    }
    done.pin_file_must_change = file_must_change(*records, token);
    if (std::none_of(records->begin(), records->end(), waits_for_operator)) {
        // T22: which device was used before is forgotten, so that another one may take its place.
        return records->empty() ? Status() : store.forget_logins(token.name, {}, now);
    }
    done.pin_released = true;
    return store.forget_logins(token.name, "resumed: its PIN may be tried again, a refused file once it changes", now);
}

Status release_pins(store::Store& store, const TokenSections& tokens, const config::IdentitySettings& identity,
                    TimePoint now, Resumption& done) {
    // An identity that is still at work may name a section that a reload has taken away: it has no PIN to be tried.
    const auto release = [&](const std::string& name, Resumption& into) {
        const auto token = tokens.find(name);
        return token == tokens.end() ? Status() : release_pin(store, token->second, now, into);
    };
    done.token = identity.token;
    const Status own = release(identity.token, done);
    if (!own || !identity.signer || identity.signer->token == identity.token) {
        return own;
    }
    Resumption other;
    const Status released = release(identity.signer->token, other);
    const bool own_waits = done.pin_released || done.pin_file_must_change;
    if (released && !own_waits && (other.pin_released || other.pin_file_must_change)) {
        done = other;
        done.token = identity.signer->token;
    }
    return released;
}

Result<Resumption> resume(const config::AgentSettings& agent, const TokenSections& tokens,
                          const config::IdentitySettings& identity, const Clock& clock) {
    std::error_code failure;
    if (!std::filesystem::exists(store::database_path(agent.state_dir), failure) && !failure) {
        return Resumption{identity.token};
    }
    store::HistoryLimits history;
    history.keep = agent.history_keep;
    auto store = store::Store::open(agent.state_dir, history);
    if (!store) {
        return fail(store.error());
    }
    const TimePoint now = clock.now();
    Resumption done;
    const auto taken_over = accept_machine(*store);
    if (!taken_over) {
        return fail(taken_over.error());
    }
    if (const Status released = release_pins(*store, tokens, identity, now, done); !released) {
        return fail(released.error());
    }
    if (const Status released = release_hold(*store, identity, now, done); !released) {
        return fail(released.error());
    }
    done.hold_released = done.hold_released || *taken_over;
    return done;
}

}  // namespace hwenroll::runtime
