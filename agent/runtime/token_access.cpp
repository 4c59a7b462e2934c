#include "agent/runtime/token_access.h"

#include <algorithm>
#include <utility>

#include "agent/runtime/exchanged_token.h"
#include "base/failpoint.h"

namespace hwenroll::runtime {

keystore::TokenOptions options_of(const config::TokenSettings& settings) {
    const keystore::TokenDeadlines deadlines{settings.deadline_login, settings.deadline_use,
                                             settings.deadline_generate};
    if (settings.type == config::TokenType::tpm2) {
        return keystore::Tpm2Options{settings.name,         settings.tcti, pin_text(settings), settings.storage.first,
                                     settings.storage.last, deadlines,     settings.network};
    }
    return keystore::Pkcs11Options{settings.name, settings.module.string(), settings.uri, pin_text(settings),
                                   deadlines,     settings.network};
}

TokenAccess::TokenAccess(const Surroundings& surroundings, const keystore::WorkerProgram& worker,
                         const config::TokenSettings& settings)
    : at_(surroundings),
      settings_(settings),
      pin_(keystore::PinSource::parse(pin_text(settings))),
      worker_(worker),
      token_(std::make_shared<keystore::WorkerToken>(worker, options_of(settings))),
      thread_(std::in_place, surroundings.loop) {}

TokenAccess::~TokenAccess() {
    thread_.reset();
    keep_at_the_end();
}

/// The loop will not hear of it any more, and the next start goes by the record: one that says `begun` allows a try.
void TokenAccess::keep_at_the_end() {
    if (const auto login = std::exchange(under_way_, nullptr)) {
        const keystore::LoginOutcome dropped{};  // not tried
        static_cast<void>(record_login(login->begun && login->outcome ? *login->outcome : dropped));
    } else if (uses_ > 0 && token_->use_refused()) {
        uses_ = 1;
        end_use();
    }
    if (unkept_) {
        static_cast<void>(section_records());
    }
}

/// T2: workers that keep ending are given a pause, and then one more series of tries.
void TokenAccess::replace_exhausted() {
    constexpr std::chrono::seconds pause{30};
    const auto now = std::chrono::steady_clock::now();
    if (!token_->exhausted()) {
        exhausted_since_.reset();
    } else if (!exhausted_since_) {
        exhausted_since_ = now;
    } else if (now >= *exhausted_since_ + pause) {
        exhausted_since_.reset();
        token_ = std::make_shared<keystore::WorkerToken>(worker_, options_of(settings_));
    }
}

void TokenAccess::login(Continuation then) {
    replace_exhausted();
    token_->notice_end();
    if (token_->logged_in() && waiting_.empty()) {  // else what the keys want is not known yet
        return then({});
    }
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) {
        return;  // a login is under way
    }
    if (const Status allowed = allow_preparation(); !allowed) {
        return answer(allowed);
    }
    run([token = token_] { return token->prepare_login(); },
        [this](Result<keystore::LoginPreparation> preparation) {
            if (!preparation) {
                return answer(fail(std::move(preparation.error())));
            }
            try_login(*preparation);
        });
}

LoginAttempt TokenAccess::attempt(const std::optional<keystore::PinSourceIdentity>& identity) const {
    LoginAttempt attempt;
    attempt.source = pin_text(settings_);
    if (identity) {
        attempt.file = to_pin_file(*identity);
    }
    return attempt;
}

/// The outcome of a login of this section that could not be committed is so now, before anything else is begun. Until
/// it can be it is among the records and forbids like them.
Result<std::vector<store::LoginRecord>> TokenAccess::section_records() {
    auto records = at_.store.logins_of_section(settings_.name);
    if (!records || !unkept_) {
        return records;
    }
    const auto released = unkept_was_released(*records);
    if (!released) {
        return fail(released.error());
    }
    if (*released) {
        unkept_.reset();
        return records;
    }
    if (const Status kept = at_.store.commit(settings_.name, unkept_->record, unkept_->note, at_.clock.now()); !kept) {
        unkept_->why = kept.error();
        records->push_back(unkept_->record);
        return records;
    }
    unkept_.reset();
    return at_.store.logins_of_section(settings_.name);
}

/// An operator has released the PIN since (resume): what was begun is gone, and not because another section's login has
/// settled it (Store::settle). A refused file is not released by anybody, only its change ends that.
Result<bool> TokenAccess::unkept_was_released(const std::vector<store::LoginRecord>& section) {
    const bool refused_file = unkept_->record.outcome == store::LoginRecordOutcome::refused && unkept_->record.file;
    if (refused_file || std::find(section.begin(), section.end(), unkept_->begun) != section.end()) {
        return false;
    }
    const auto of_device = at_.store.logins_of_device(unkept_->begun.token_uri);
    if (!of_device) {
        return fail(of_device.error());
    }
    return std::ranges::none_of(*of_device, [this](const store::LoginRecord& record) {
        return record.outcome == store::LoginRecordOutcome::accepted && record.source != unkept_->begun.source;
    });
}

/// Commits what has become of `begun_`, or remembers it for section_records().
void TokenAccess::keep(const store::LoginRecord& record, const std::string& note, TimePoint now) {
    const Status kept = at_.store.commit(settings_.name, record, note, now);
    if (kept) {
        unkept_.reset();
        return;
    }
    at_.log.write(kept.error(), {});
    if (record != begun_) {
        unkept_ = UnkeptOutcome{begun_, record, note, kept.error()};
    }
}

/// What the section's own records forbid needs neither a worker nor a run of the PIN command.
Status TokenAccess::allow_preparation() {
    if (!pin_) {
        return fail(pin_.error());
    }
    auto known = section_records();
    if (!known) {
        return fail(known.error());
    }
    known_ = *std::move(known);
    const auto identity = pin_->identity();
    if (!identity) {
        return {};  // the worker reports a file that cannot be looked at
    }
    const auto record = forbidding(known_, attempt(*identity));
    return record ? fail(forbidden(settings_.name, *record)) : Status{};
}

void TokenAccess::try_login(const keystore::LoginPreparation& preparation) {
    description_ = preparation.token;
    auto history = begin_login(preparation);
    if (!history) {
        return run(
            [token = token_] {
                token->abandon_login();
                return Status{};
            },
            [this, error = std::move(history.error())](const Status& /*ended*/) { answer(fail(error)); });
    }
    under_way_ = std::make_shared<LoginUnderWay>();
    run(
        [token = token_, known = *history, login = under_way_] {
            login->begun = true;
            login->outcome = token->login(known);
            return *login->outcome;
        },
        [this](const keystore::LoginOutcome& outcome) {
            under_way_.reset();
            finish_login(outcome);
        });
}

/// Commits the intent before the worker may call C_Login. What another section's record says about the same device is
/// taken over into this one's, so that it is seen, and resumed, under the name in use.
Result<keystore::LoginHistory> TokenAccess::begin_login(const keystore::LoginPreparation& preparation) {
    // The preparation took its time, in which an operator may have released something.
    auto known = section_records();
    if (!known) {
        return fail(known.error());
    }
    known_ = *std::move(known);
    auto records = at_.store.logins_of_device(preparation.token.uri);
    if (!records) {
        return fail(records.error());
    }
    if (auto another = exchanged_token(settings_, known_, preparation.token)) {
        return fail(*std::move(another));
    }
    const keystore::LoginHistory history = history_of(*records);
    records->insert(records->end(), known_.begin(), known_.end());
    LoginAttempt now_tried = attempt(preparation.source);
    now_tried.token_uri = preparation.token.uri;
    const TimePoint now = at_.clock.now();
    if (const auto record = forbidding(*records, now_tried); record) {
        if (std::find(known_.begin(), known_.end(), *record) == known_.end()) {
            if (const Status kept = at_.store.commit(settings_.name, *record, {}, now); !kept) {
                return fail(kept.error());
            }
        }
        return fail(forbidden(settings_.name, *record));
    }
    if (unkept_) {  // the new intent would hide it
        return fail(unkept_->why);
    }
    begun_ = begun(*records, now_tried, now);
    before_ = replaced(known_, begun_);
    if (const Status committed = at_.store.commit(settings_.name, begun_, {}, now); !committed) {
        return fail(committed.error());
    }
    failpoint("login-intended");
    return history;
}

/// What an operator has released while the login was on its way (resume) must not come back with its outcome.
void TokenAccess::heed_release() {
    const auto records = at_.store.logins_of_section(settings_.name);
    if (records && std::find(records->begin(), records->end(), begun_) == records->end()) {
        begun_.unknown = 1;
        before_ = replaced({}, begun_);
    }
}

Status TokenAccess::record_login(const keystore::LoginOutcome& outcome) {
    heed_release();
    const std::string note = outcome.error ? outcome.error->line() : std::string();
    const store::LoginRecord record = ended(before_, begun_, outcome);
    const TimePoint now = at_.clock.now();
    const bool accepted = outcome.result == keystore::LoginOutcome::Result::accepted;
    if (at_.counts != nullptr && outcome.result != keystore::LoginOutcome::Result::not_tried) {
        at_.counts->count(TokenOperation::login);
    }
    if (!accepted) {
        keep(record, note, now);
        return {};
    }
    accepted_ = record;
    return at_.store.settle(settings_.name, record, note, now);
}

void TokenAccess::finish_login(const keystore::LoginOutcome& outcome) {
    const Status recorded = record_login(outcome);
    failpoint("login-recorded");
    if (outcome.error) {
        return answer(fail(*outcome.error));
    }
    if (!recorded) {
        return answer(recorded);
    }
    settle_login();
}

/// What the keys want must be known before any is used: otherwise the login ends, and another one follows.
void TokenAccess::settle_login() {
    run(
        [token = token_] {
            auto settled = token->settle_login();
            if (!settled) {
                token->abandon_login();
            }
            return settled;
        },
        [this](const Result<bool>& login_per_use) {
            login_per_use_ = login_per_use.value_or(false);
            answer(login_per_use ? Status{} : fail(login_per_use.error()));
        });
}

/// True: the intent to log in is on record, and end_use() must follow.
Result<bool> TokenAccess::begin_use() {
    if (!login_per_use_) {
        return false;
    }
    if (uses_ == 0) {
        LoginAttempt again{accepted_.source, accepted_.file, accepted_.token_uri};
        begun_ = begun({}, again, at_.clock.now());
        if (const Status committed = at_.store.commit(settings_.name, begun_, {}, at_.clock.now()); !committed) {
            return fail(committed.error());
        }
    }
    ++uses_;
    return true;
}

/// A worker that has ended otherwise than by a refusal may have done so during a login: then the intent stays open.
void TokenAccess::end_use() {
    --uses_;
    const TimePoint now = at_.clock.now();
    if (token_->use_refused()) {
        store::LoginRecord refused = begun_;
        refused.outcome = store::LoginRecordOutcome::refused;
        refused.unknown = 0;
        keep(refused, "the PIN was refused at a use of a key", now);
    } else if (uses_ == 0 && token_->logged_in()) {
        // Not remembered where it is not kept: the next use may begin without a login, and its intent must stay open.
        if (const Status kept = at_.store.commit(settings_.name, accepted_, {}, now); !kept) {
            at_.log.write(kept.error(), {});
        }
    }
}

/// Of the last use only: an error of another kind comes from whoever sent the data.
void TokenAccess::note(const std::optional<Error>& failure) {
    used_ = true;
    failure_ = failure && failure->info().name.starts_with("E-TOKEN") ? failure : std::nullopt;
}

TokenCondition TokenAccess::condition() const {
    TokenCondition condition;
    if (calls_ > 0) {
        condition.busy_since = busy_since_;
    }
    condition.used = used_;
    condition.logged_in = token_->logged_in();
    condition.failure = failure_;
    condition.description = description_;
    return condition;
}

/// The token as a job sees it.
std::shared_ptr<keystore::Token> TokenAccess::counted() const {
    return at_.counts != nullptr ? std::make_shared<CountedToken>(token_, *at_.counts)
                                 : std::shared_ptr<keystore::Token>(token_);
}

/// An error that the token itself gave was reached all the same. Null: there was none.
void TokenAccess::notice_reach(const Error* error) {
    switch (error != nullptr ? error->code() : ErrorCode::token_key_missing) {
        case ErrorCode::token_module:
        case ErrorCode::token_absent:
        case ErrorCode::token_ambiguous:
        case ErrorCode::token_worker:
        case ErrorCode::token_deadline:
        case ErrorCode::token_protocol:
        case ErrorCode::token_login_lost:
            reached_ = false;
            return;
        default:
            reached_ = true;
    }
}

void TokenAccess::answer(const Status& status) {
    if (!status) {
        note(status.error());
        reached_ = false;  // whatever it was: its keys cannot be used
    }
    std::vector<Continuation> waiting;
    waiting.swap(waiting_);
    for (auto& then : waiting) {
        then(status);
    }
}

}  // namespace hwenroll::runtime
