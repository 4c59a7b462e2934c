// A configured token as the runtime uses it: its worker, its thread, and a login by the rules before each use.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/observe/log.h"
#include "agent/runtime/clock_trust.h"
#include "agent/runtime/counted_token.h"
#include "agent/runtime/login_rules.h"
#include "agent/runtime/token_thread.h"
#include "agent/store/store.h"
#include "keystore/pin_source.h"
#include "keystore/worker/worker_token.h"

namespace hwenroll::runtime {

/// What the parts of the runtime share. All references outlive them.
struct Surroundings {
    EventLoop& loop;
    store::Store& store;
    const Clock& clock;
    observe::Log& log;
    ClockTrust& clock_trust;
    WorkCounts* counts = nullptr;  ///< null: nobody asks how much was done
};

/// What is known of a token without asking it.
struct TokenCondition {
    std::optional<std::chrono::steady_clock::time_point> busy_since;  ///< a call is under way
    bool used = false;                                                ///< the token has answered or failed before
    bool logged_in = false;
    std::optional<Error> failure;                           ///< of the last use, where the token was at fault
    std::optional<keystore::TokenDescription> description;  ///< as of the last login
};

/// The keystore's view of a token's settings.
keystore::TokenOptions options_of(const config::TokenSettings& settings);

/// One token. On the loop's thread, but for the jobs.
class TokenAccess {
 public:
    /// Nothing is started before the first use.
    TokenAccess(const Surroundings& surroundings, const keystore::WorkerProgram& worker,
                const config::TokenSettings& settings);
    TokenAccess(const TokenAccess&) = delete;
    TokenAccess& operator=(const TokenAccess&) = delete;

    /// Waits for what is under way. What became of a login is committed (invariant 6); nobody else is told.
    ~TokenAccess();

    [[nodiscard]] const config::TokenSettings& settings() const { return settings_; }

    /// Whether its last use reached it; nothing: it was not used yet.
    [[nodiscard]] std::optional<bool> reached() const { return reached_; }

    /// The process is about to end: what runs on the token is ended, a login at `login_deadline`.
    void interrupt(std::chrono::steady_clock::time_point login_deadline) { token_->interrupt(login_deadline); }

    /// Logs in if that is needed and allowed, then calls `job(token)` on the token's thread and `done(result)` on the
    /// loop's. `job` returns a Result<T>. The PIN is tried once, whatever the number of callers. Where a key wants a
    /// login for each use, the intent is committed before the job and what became of it after (docs/adr/0012).
    template <class Job, class Done>
    void use(Job job, Done done) {
        login([this, job = std::move(job), done = std::move(done)](const Status& status) mutable {
            if (!status) {
                return done(tl::unexpected<Error>(status.error()));
            }
            const auto intended = begin_use();
            if (!intended) {
                return done(tl::unexpected<Error>(intended.error()));
            }
            run([token = counted(), job = std::move(job)]() mutable { return job(token); },
                [this, recorded = *intended, done = std::move(done)](auto result) mutable {
                    if (recorded) {
                        end_use();
                    }
                    notice_reach(result ? nullptr : &result.error());
                    note(result ? std::nullopt : std::optional(result.error()));
                    done(std::move(result));
                });
        });
    }

    /// Does not wait for what is under way.
    [[nodiscard]] TokenCondition condition() const;

 private:
    using Continuation = std::function<void(const Status&)>;

    /// What became of a login, where state.db did not take it: `begun` is still on record there (S10).
    struct UnkeptOutcome {
        store::LoginRecord begun;
        store::LoginRecord record;
        std::string note;
        Error why;
    };

    /// A call on the token's thread, timed. A result that is on its way to the loop when this ends is dropped there.
    template <class Job, class Done>
    void run(Job job, Done done) {
        if (calls_++ == 0) {
            busy_since_ = std::chrono::steady_clock::now();
        }
        thread_->run(std::move(job), [this, here = std::weak_ptr(here_), done = std::move(done)](auto result) mutable {
            if (here.expired()) {
                return;
            }
            --calls_;
            busy_since_ = std::chrono::steady_clock::now();  // the next one, if any, begins now
            done(std::move(result));
        });
    }
    void note(const std::optional<Error>& failure);

    void login(Continuation then);
    [[nodiscard]] LoginAttempt attempt(const std::optional<keystore::PinSourceIdentity>& identity) const;
    Status allow_preparation();
    void replace_exhausted();
    void try_login(const keystore::LoginPreparation& preparation);
    Result<keystore::LoginHistory> begin_login(const keystore::LoginPreparation& preparation);
    Result<std::vector<store::LoginRecord>> section_records();
    Result<bool> unkept_was_released(const std::vector<store::LoginRecord>& section);
    void keep(const store::LoginRecord& record, const std::string& note, TimePoint now);
    void heed_release();
    void finish_login(const keystore::LoginOutcome& outcome);
    Status record_login(const keystore::LoginOutcome& outcome);
    void keep_at_the_end();
    void settle_login();
    Result<bool> begin_use();
    void end_use();
    void answer(const Status& status);
    [[nodiscard]] std::shared_ptr<keystore::Token> counted() const;
    void notice_reach(const Error* error);

    Surroundings at_;
    config::TokenSettings settings_;
    Result<keystore::PinSource> pin_;
    keystore::WorkerProgram worker_;
    std::shared_ptr<keystore::WorkerToken> token_;
    std::optional<std::chrono::steady_clock::time_point> exhausted_since_;
    std::vector<store::LoginRecord> known_;  ///< the section's records before the login
    store::LoginRecord before_;
    store::LoginRecord begun_;
    /// A login that the token's thread has been given, and whose outcome the loop does not know yet.
    struct LoginUnderWay {
        bool begun = false;
        std::optional<keystore::LoginOutcome> outcome = {};
    };
    std::shared_ptr<LoginUnderWay> under_way_;  ///< the thread's, until its result is back or it has ended
    std::optional<UnkeptOutcome> unkept_;
    bool login_per_use_ = false;   ///< some key on the token wants a login for each use
    int uses_ = 0;                 ///< jobs whose intent to log in is on record
    store::LoginRecord accepted_;  ///< the login that those jobs build on
    std::vector<Continuation> waiting_;
    int calls_ = 0;                                     ///< on the thread, or waiting for it
    std::chrono::steady_clock::time_point busy_since_;  ///< while there are calls
    bool used_ = false;
    std::optional<Error> failure_;
    std::optional<keystore::TokenDescription> description_;
    std::optional<bool> reached_;
    std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);  ///< for what outlives this on the loop
    std::optional<TokenThread> thread_;                                      ///< nothing: this is ending
};

}  // namespace hwenroll::runtime
