#include "agent/runtime/resume.h"

#include <algorithm>

#include "agent/lifecycle/step.h"
#include "agent/store/state_directory.h"
#include "agent/store/store.h"

namespace hwenroll::runtime {
namespace {

/// The decision needs neither randomness nor what the configuration says.
Result<bool> release_hold(store::Store& store, const config::IdentitySettings& identity, TimePoint now) {
    const auto state = store.identity(identity.name);
    if (!state) {
        return fail(state.error());
    }
    const auto transition = lifecycle::step(*state, lifecycle::Resumed{}, {}, {}, now);
    if (transition.state == *state) {
        return false;
    }
    const Status committed = store.commit(identity.name, identity.token, transition.state, transition.note, now);
    return committed ? Result<bool>(true) : fail(committed.error());
}

Result<bool> release_pin(store::Store& store, const std::string& token, TimePoint now) {
    const auto own = store.login(token);
    if (!own) {
        return fail(own.error());
    }
    auto records = store.logins_of_device(own->token_uri);
    if (!records) {
        return fail(records.error());
    }
    records->push_back(*own);
    const bool blocked = std::any_of(records->begin(), records->end(), [](const store::LoginRecord& record) {
        return record.outcome == store::LoginRecordOutcome::refused ||
               record.outcome == store::LoginRecordOutcome::begun;
    });
    if (!blocked) {
        return false;
    }
    const Status forgotten = store.forget_logins(token, "resumed: its PIN may be tried again", now);
    return forgotten ? Result<bool>(true) : fail(forgotten.error());
}

}  // namespace

Result<Resumption> resume(const config::AgentSettings& agent, const config::IdentitySettings& identity,
                          const Clock& clock) {
    std::error_code failure;
    if (!std::filesystem::exists(store::database_path(agent.state_dir), failure) && !failure) {
        return Resumption{};
    }
    store::HistoryLimits history;
    history.keep = agent.history_keep;
    auto store = store::Store::open(agent.state_dir, history);
    if (!store) {
        return fail(store.error());
    }
    const TimePoint now = clock.now();
    const auto pin = release_pin(*store, identity.token, now);
    if (!pin) {
        return fail(pin.error());
    }
    const auto hold = release_hold(*store, identity, now);
    if (!hold) {
        return fail(hold.error());
    }
    return Resumption{*hold, *pin};
}

}  // namespace hwenroll::runtime
