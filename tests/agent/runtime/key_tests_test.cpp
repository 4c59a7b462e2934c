// Tests of keys in use by the agent's own logins: their limits.
#include "agent/runtime/key_tests.h"

#include <future>

#include <gmock/gmock.h>

#include "agent/runtime/system_clock.h"
#include "tests/keystore/worker/worker_fixture.h"

namespace hwenroll::runtime {
namespace {

using control::KeyTestView;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

class KeyTestRound : public keystore::WorkerFixture {
 protected:
    void SetUp() override {
        WorkerFixture::SetUp();
        auto loop = EventLoop::make([] {});
        ASSERT_TRUE(loop) << loop.error().line();
        loop_ = *std::move(loop);
        auto opened = store::Store::open(softhsm_.directory() / "state", {});
        ASSERT_TRUE(opened) << opened.error().line();
        store_.emplace(*std::move(opened));
        clock_trust_.emplace(*store_, clock_);
        key_.emplace(make_key());
    }

    [[nodiscard]] std::shared_ptr<TokenAccess> access(const std::string& rule = {},
                                                      std::chrono::seconds deadline = std::chrono::seconds(20)) {
        config::TokenSettings settings;
        settings.name = "lab";
        settings.module = options_.module;
        settings.uri = options_.uri;
        settings.pin = config::SecretSource{config::SecretSource::Kind::file, options_.pin.substr(5)};
        settings.deadline_use = deadline;
        return std::make_shared<TokenAccess>(Surroundings{*loop_, *store_, clock_, journal_, *clock_trust_},
                                             program(rule), settings);
    }

    [[nodiscard]] KeyToTry key_of(const std::string& identity, const std::shared_ptr<TokenAccess>& token) const {
        KeyToTry key{token, *key_, false};
        key.view.identity = identity;
        return key;
    }

    [[nodiscard]] KeyTests make(milliseconds patience = std::chrono::seconds(30)) {
        return KeyTests(
            *loop_, [this](const std::string& identity) { return impediments_[identity]; }, patience);
    }

    /// What `keys` come to.
    std::vector<KeyTestView> outcome(KeyTests& tests, std::vector<KeyToTry> keys) {
        std::vector<KeyTestView> views;
        loop_->post([&, keys] {
            tests.begin(keys, [&](std::vector<KeyTestView> done) {
                views = std::move(done);
                loop_->stop();
            });
        });
        EXPECT_TRUE(loop_->run());
        return views;
    }

    static auto is(const std::string& identity, const std::string& outcome, const std::string& reason = {}) {
        return testing::AllOf(Field(&KeyTestView::identity, identity), Field(&KeyTestView::outcome, outcome),
                              Field(&KeyTestView::reason, HasSubstr(reason)));
    }

    SystemClock clock_;
    observe::Log journal_{observe::Log::Target::quiet};
    std::unique_ptr<EventLoop> loop_;
    std::optional<store::Store> store_;
    std::optional<ClockTrust> clock_trust_;
    std::optional<keystore::KeyReference> key_;
    std::map<std::string, std::string> impediments_;
};

TEST_F(KeyTestRound, TOK_4_signs_and_opens_by_one_login_whatever_the_number_of_keys_and_rounds) {
    const auto token = access();
    KeyTests tests = make();
    EXPECT_THAT(outcome(tests, {key_of("mail", token), key_of("web", token)}),
                ElementsAre(is("mail", "tested"), is("web", "tested")));
    EXPECT_THAT(outcome(tests, {key_of("web", token)}), ElementsAre(is("web", "tested")));
    EXPECT_EQ(calls("C_Login"), 1U);
    EXPECT_EQ(calls("C_Sign"), 3U);
    EXPECT_EQ(calls("C_Decrypt"), 3U);
}

TEST_F(KeyTestRound, T20_names_the_failure_of_one_and_goes_on_with_the_next) {
    const auto token = access();
    KeyTests tests = make();
    KeyToTry gone = key_of("mail", token);
    gone.key->id = keystore::KeyId{Bytes(16, 0x11)};
    const auto views = outcome(tests, {gone, key_of("web", token)});
    EXPECT_THAT(views, ElementsAre(is("mail", "failed"), is("web", "tested")));
    EXPECT_EQ(views.at(0).error, ErrorCode::token_key_missing) << views.at(0).reason;
}

TEST_F(KeyTestRound, T10_invariant_6_makes_no_login_at_the_final_try) {
    const auto token = access("C_GetTokenInfo:*:flag=final_try");
    KeyTests tests = make();
    const auto views = outcome(tests, {key_of("web", token)});
    EXPECT_THAT(views, ElementsAre(is("web", "failed", "one PIN try is left")));
    EXPECT_EQ(views.at(0).error, ErrorCode::token_pin_low);
    EXPECT_EQ(calls("C_Login"), 0U);
}

TEST_F(KeyTestRound, leaves_identities_and_tokens_alone_that_are_at_work) {
    const auto token = access();
    KeyTests tests = make();
    impediments_["web"] = "it is at work";
    EXPECT_THAT(outcome(tests, {key_of("web", token)}), ElementsAre(is("web", "untested", "it is at work")));
    impediments_.clear();
    std::promise<void> free;
    bool used = false;
    loop_->post([&] {
        token->use([waits = std::make_shared<std::future<void>>(free.get_future())](
                       const std::shared_ptr<keystore::Token>& /*device*/) { return (waits->wait(), Status()); },
                   [&](const Status& /*status*/) {
                       used = true;
                       loop_->stop();
                   });
    });
    EXPECT_THAT(outcome(tests, {key_of("web", token)}), ElementsAre(is("web", "untested", "its token is at work")));
    free.set_value();
    EXPECT_TRUE(used || loop_->run());
    EXPECT_EQ(calls("C_Sign"), 0U);
}

TEST_F(KeyTestRound, T14_answers_in_bounded_time_and_begins_no_other_while_a_use_is_under_way) {
    const auto silent = access("C_Sign:1:hang", std::chrono::seconds(2));
    KeyTests tests = make(milliseconds(300));
    EXPECT_THAT(outcome(tests, {key_of("mail", silent), key_of("web", silent)}),
                ElementsAre(is("mail", "untested", "no outcome within 0.3 s"),
                            is("web", "untested", "no outcome within 0.3 s")));
    const auto other = access();
    EXPECT_THAT(outcome(tests, {key_of("web", other)}),
                ElementsAre(is("web", "untested", "another test of keys is under way")));
    // The hanging call has its deadline; after it a round may begin.
    std::vector<KeyTestView> views;
    while (views.empty() || views.front().outcome == "untested") {
        views = outcome(tests, {key_of("web", other)});
    }
    EXPECT_THAT(views, ElementsAre(is("web", "tested")));
}

TEST_F(KeyTestRound, one_that_ends_before_its_keys_are_through_tells_nobody) {
    const auto token = access();
    auto tests = std::make_unique<KeyTests>(*loop_, [](const std::string&) { return std::string(); });
    bool told = false;
    loop_->post([&] {
        tests->begin({key_of("web", token)}, [&](const std::vector<KeyTestView>&) { told = true; });
        tests.reset();
        token->use([](const std::shared_ptr<keystore::Token>& /*device*/) { return Status(); },
                   [&](const Status& /*status*/) { loop_->stop(); });
    });
    EXPECT_TRUE(loop_->run());
    EXPECT_FALSE(told);
}

}  // namespace
}  // namespace hwenroll::runtime
