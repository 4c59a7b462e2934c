// A login whose outcome state.db does not take (S10): the PIN is tried once all the same (invariant 6).
#include "agent/runtime/token_access.h"

#include <thread>

#include <gmock/gmock.h>
#include <sqlite3.h>

#include "agent/store/state_directory.h"
#include "tests/keystore/worker/worker_fixture.h"

namespace hwenroll::runtime {
namespace {

using store::LoginRecord;
using store::LoginRecordOutcome;
using testing::HasSubstr;

/// Calls `at_look` whenever it is asked, which the agent does between two steps.
class WatchedClock final : public Clock {
 public:
    [[nodiscard]] TimePoint now() const override {
        if (at_look) {
            at_look();
        }
        return TimePoint(Seconds(1'900'000'000));
    }
    std::function<void()> at_look;
};

/// Somebody's own connection, which can lock state.db against the agent's commits.
class Locker {
 public:
    explicit Locker(const std::filesystem::path& path) { EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK); }
    Locker(const Locker&) = delete;
    Locker& operator=(const Locker&) = delete;
    ~Locker() { sqlite3_close(database_); }

    void lock() {
        EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
        locked_ = true;
    }
    void unlock() {
        EXPECT_EQ(sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
        locked_ = false;
    }
    [[nodiscard]] bool locked() const { return locked_; }

 private:
    sqlite3* database_ = nullptr;
    bool locked_ = false;
};

class UnkeptLogin : public keystore::WorkerFixture {
 protected:
    void SetUp() override {
        WorkerFixture::SetUp();
        auto loop = EventLoop::make([] {});
        ASSERT_TRUE(loop) << loop.error().line();
        loop_ = *std::move(loop);
        auto opened = store::Store::open(state_, {});
        ASSERT_TRUE(opened) << opened.error().line();
        store_.emplace(*std::move(opened));
        clock_trust_.emplace(*store_, clock_);
        locker_.emplace(store::database_path(state_));
    }

    [[nodiscard]] std::unique_ptr<TokenAccess> access(const config::SecretSource& pin) {
        config::TokenSettings settings;
        settings.name = "lab";
        settings.module = options_.module;
        settings.uri = options_.uri;
        settings.pin = pin;
        return std::make_unique<TokenAccess>(Surroundings{*loop_, *store_, clock_, log_, *clock_trust_}, program(),
                                             settings);
    }

    [[nodiscard]] config::SecretSource pin_file(const std::string& pin) {
        return {config::SecretSource::Kind::file, softhsm_.pin_file(pin, "tried.pin").substr(5)};
    }

    [[nodiscard]] config::SecretSource pin_command(const std::string& pin) const {
        const auto path = softhsm_.directory() / "pin-command";
        test::write_file(path, "#!/bin/sh\necho " + pin + "\n", 0700);
        return {config::SecretSource::Kind::command, path.string()};
    }

    Status use(TokenAccess& token) {
        Status done;
        loop_->post([&] {
            token.use([](const std::shared_ptr<keystore::Token>& /*device*/) { return Status(); },
                      [&](const Status& status) {
                          done = status;
                          loop_->stop();
                      });
        });
        EXPECT_TRUE(loop_->run());
        return done;
    }

    /// A use whose PIN the token refuses, and state.db is locked from after C_Login on.
    void refuse_while_locked(TokenAccess& token) {
        clock_.at_look = [this] {
            if (!locker_->locked() && calls("C_Login") == 1) {
                locker_->lock();
            }
        };
        const Status refused = use(token);
        clock_.at_look = {};
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::token_pin);
        ASSERT_TRUE(locker_->locked());
        ASSERT_EQ(record().outcome, LoginRecordOutcome::begun) << "the refusal could not be kept";
    }

    void expect_forbidden(TokenAccess& token) {
        const Status forbidden = use(token);
        ASSERT_FALSE(forbidden);
        EXPECT_EQ(forbidden.error().code(), ErrorCode::token_pin) << forbidden.error().line();
        EXPECT_THAT(forbidden.error().line(), HasSubstr("refused this PIN at"));
        EXPECT_EQ(calls("C_Login"), 1U);
    }

    void expect_one_try(const config::SecretSource& pin) {
        const auto token = access(pin);
        refuse_while_locked(*token);
        expect_forbidden(*token);
        locker_->unlock();
        expect_forbidden(*token);
        EXPECT_EQ(record().outcome, LoginRecordOutcome::refused);
        EXPECT_THAT(store_->history("token", "lab", 1)->front().text, HasSubstr("E-TOKEN-PIN"));
        expect_forbidden(*access(pin));
    }

    [[nodiscard]] LoginRecord record() {
        const auto records = store_->logins_of_section("lab");
        EXPECT_TRUE(records && records->size() == 1);
        return records && records->size() == 1 ? records->front() : LoginRecord();
    }

    const std::filesystem::path state_ = softhsm_.directory() / "state";
    WatchedClock clock_;
    observe::Log log_{observe::Log::Target::quiet};
    std::unique_ptr<EventLoop> loop_;
    std::optional<store::Store> store_;
    std::optional<ClockTrust> clock_trust_;
    std::optional<Locker> locker_;
};

TEST_F(UnkeptLogin, S10_T9_invariant_6_a_refused_file_is_forbidden_at_once_and_on_record_once_it_can_be) {
    expect_one_try(pin_file("0000"));
}

TEST_F(UnkeptLogin, S10_T9_invariant_6_a_refused_command_is_forbidden_at_once_and_on_record_once_it_can_be) {
    expect_one_try(pin_command("0000"));
}

TEST_F(UnkeptLogin, S10_T9_invariant_6_a_changed_file_is_tried_once_the_refusal_of_the_one_before_is_kept) {
    const auto token = access(pin_file("0000"));
    refuse_while_locked(*token);
    (void)pin_file(keystore::canary_pin);
    EXPECT_EQ(use(*token).error().code(), ErrorCode::state_database);
    EXPECT_EQ(calls("C_Login"), 1U);
    locker_->unlock();
    const Status used = use(*token);
    EXPECT_TRUE(used) << used.error().line();
    EXPECT_EQ(calls("C_Login"), 2U);
    EXPECT_EQ(record().outcome, LoginRecordOutcome::accepted);
}

TEST_F(UnkeptLogin, S10_SM_15_a_refused_command_that_an_operator_has_released_stays_released) {
    const auto token = access(pin_command("0000"));
    refuse_while_locked(*token);
    locker_->unlock();
    ASSERT_TRUE(store_->forget_logins("lab", "resumed", clock_.now()));
    (void)pin_command(keystore::canary_pin);
    const Status used = use(*token);
    EXPECT_TRUE(used) << used.error().line();
    EXPECT_EQ(calls("C_Login"), 2U);
}

TEST_F(UnkeptLogin, S10_invariant_6_a_refused_file_is_not_released_by_an_operator) {
    const auto token = access(pin_file("0000"));
    refuse_while_locked(*token);
    locker_->unlock();
    ASSERT_TRUE(store_->forget_logins("lab", "resumed", clock_.now()));
    expect_forbidden(*token);
    EXPECT_EQ(record().outcome, LoginRecordOutcome::refused);
}

TEST_F(UnkeptLogin, S10_invariant_6_a_refusal_that_is_still_to_be_kept_is_so_at_an_orderly_end) {
    const auto pin = pin_command("0000");
    auto token = access(pin);
    refuse_while_locked(*token);
    locker_->unlock();
    token.reset();
    ASSERT_EQ(record().outcome, LoginRecordOutcome::refused);
    EXPECT_THAT(store_->history("token", "lab", 1)->front().text, HasSubstr("E-TOKEN-PIN"));
    expect_forbidden(*access(pin));
}

TEST_F(UnkeptLogin, X13_invariant_6_a_login_that_is_under_way_at_an_orderly_end_is_kept) {
    const auto pin = pin_command("0000");
    auto token = access(pin);
    // The loop ends once the intent is committed and the login is the token's thread's to do.
    clock_.at_look = [this] { loop_->stop(); };
    loop_->post([&] {
        token->use([](const std::shared_ptr<keystore::Token>& /*device*/) { return Status(); },
                   [](const Status& /*status*/) { FAIL() << "the loop runs no more"; });
    });
    EXPECT_TRUE(loop_->run());
    clock_.at_look = {};
    ASSERT_EQ(record().outcome, LoginRecordOutcome::begun);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (calls("C_Login") == 0 && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(calls("C_Login"), 1U);
    token.reset();
    EXPECT_EQ(record().outcome, LoginRecordOutcome::refused);
    expect_forbidden(*access(pin));
}

}  // namespace
}  // namespace hwenroll::runtime
