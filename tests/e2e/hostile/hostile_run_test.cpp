// Cases of the catalogue of hostile replies that take more than one reply to tell.
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/hostile/hostile_world.h"

namespace hwenroll::test {
namespace {

using lifecycle::HoldReason;
using lifecycle::Phase;
using std::chrono::hours;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

/// `openssl s_server` that answers each request by the file of the request's name in a directory.
class TlsFiles {
 public:
    explicit TlsFiles(const std::filesystem::path& directory) : directory_(directory) {
        std::filesystem::create_directories(directory);
        const RunResult made =
            run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", "/CN=web", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out",
                 certificate()});
        EXPECT_EQ(made.exit_code, 0) << made.err;
        process_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{"openssl", "s_server", "-accept", "127.0.0.1:0", "-HTTP", "-cert", certificate(),
                                     "-key", directory / "key.pem"},
            ChildOptions{{}, directory, {}});
        const std::string mark = "ACCEPT 127.0.0.1:";
        do {
            const std::string printed = process_->out();
            const auto at = printed.find(mark);
            if (at != std::string::npos && printed.find('\n', at) != std::string::npos) {
                port_ = std::stoi(printed.substr(at + mark.size()));
            }
        } while (port_ == 0 && !process_->wait(std::chrono::milliseconds(5)));
        EXPECT_NE(port_, 0) << process_->err();
    }

    void answer(const std::string& operation, const std::string& response) const {
        write_file(directory_ / ("scep?operation=" + operation), response);
    }

    [[nodiscard]] std::string url() const { return fmt::format("https://127.0.0.1:{}/scep", port_); }
    [[nodiscard]] std::string certificate() const { return (directory_ / "web.pem").string(); }

 private:
    std::filesystem::path directory_;
    std::unique_ptr<ChildProcess> process_;
    int port_ = 0;
};

void replace_in(const std::filesystem::path& file, const std::string& from, const std::string& to) {
    std::string text = read_file(file);
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    write_file(file, text);
}

TEST(HostileRun, BAD_10_H11_no_redirect_leads_from_https_to_http) {
    HostileWorld& world = HostileWorld::instance();
    world.go_to(Stage::beginning);
    const TlsFiles server(world.directory() / "tls");
    server.answer("GetCACaps",
                  "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nAES\r\nPOSTPKIOperation\r\nSHA-256\r\n");
    server.answer("GetCACert",
                  fmt::format("HTTP/1.0 302 Found\r\nLocation: {}?operation=GetCACert\r\n\r\n", world.url()));
    world.set({.ca_lines = fmt::format("tls_ca = \"{}\"\n", server.certificate())});
    replace_in(world.config(), world.url(), server.url());
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 76);
    EXPECT_THAT(result.err, MatchesRegex("E-CA-REDIRECT ca corp: [ -~]+; [ -~]+\n"));
    const Belongings after = world.look();
    EXPECT_TRUE(after.published.empty());
    EXPECT_FALSE(after.authority.current) << "though the CA there is the right one";
    world.set({});
    EXPECT_EQ(world.once().exit_code, 0);
}

// The CA's own certificate does not take its place: what is encrypted to it the RA cannot open.
TEST(HostileRun, C15_Q_NDES_11_an_expired_RA_is_named_before_anything_is_sent) {
    HostileWorld& world = HostileWorld::instance();
    world.go_to(Stage::beginning);
    world.set({.faults = {"GetCACert:*:mutate-BAD-48b"}});
    world.advance(hours(72));
    const RunResult result = world.once();
    EXPECT_EQ(result.exit_code, 76) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-CA-CERTIFICATE"), HasSubstr("CN=RA of yesterday"),
                                  HasSubstr("expired at 2030-01-02T23:59:00Z")));
    EXPECT_TRUE(world.look().published.empty());
    world.set({});
    world.advance(hours(7));
    EXPECT_EQ(world.once().exit_code, 0) << "the CA has another one";
}

// SEC-9: whoever holds the RA's key may not use the agent as an oracle at will. Invariant 5 counts such replies as any.
TEST(HostileRun, BAD_104_invariant_5_replies_that_cannot_be_opened_end_in_a_hold_with_one_try_a_day) {
    constexpr std::uint32_t most_messages = 48;
    HostileWorld& world = HostileWorld::instance();
    world.go_to(Stage::keyed);
    const Belongings before = world.look();
    world.set({.faults = {"PKCSReq:*:mutate-BAD-93"}});
    int runs = 0;
    RunResult result;
    for (; runs < 60 && lifecycle::attempt_phase(world.look().identity) != Phase::held; ++runs) {
        world.advance(hours(7));
        result = world.once();
        EXPECT_EQ(result.exit_code, 76) << result.err;
    }
    Belongings after = world.look();
    ASSERT_TRUE(after.identity.hold) << result.err;
    EXPECT_EQ(after.identity.hold->reason, HoldReason::message_cap);
    EXPECT_LE(after.identity.counters.messages, most_messages);
    EXPECT_TRUE(after.published.empty());
    EXPECT_EQ(after.token_files, before.token_files);
    const std::uint32_t sent = after.identity.counters.messages;
    world.advance(hours(7));
    EXPECT_EQ(world.once().exit_code, 76);
    EXPECT_EQ(world.look().identity.counters.messages, sent) << "held";
    world.set({});
    world.advance(hours(25));
    EXPECT_EQ(world.once().exit_code, 0) << "one try a day";
}

// SM-11: a request that is never decided is made anew in the end, with the same key.
TEST(HostileRun, BAD_123_a_ca_that_says_PENDING_for_ever_is_given_up_after_the_configured_time) {
    HostileWorld& world = HostileWorld::instance();
    world.go_to(Stage::pending);
    const Belongings before = world.look();
    world.set({.faults = {"CertPoll:*:mutate-BAD-123"}});
    for (int day = 1; day <= 6; ++day) {
        world.advance(hours(24));
        EXPECT_EQ(world.once().exit_code, 75);
        EXPECT_EQ(world.look().identity.enrollment->transaction->id.value,
                  before.identity.enrollment->transaction->id.value)
            << "day " << day;
    }
    world.advance(hours(48));
    EXPECT_EQ(world.once().exit_code, 75);
    const Belongings after = world.look();
    EXPECT_NE(after.identity.enrollment->transaction->id.value, before.identity.enrollment->transaction->id.value);
    EXPECT_EQ(after.identity.enrollment->key, before.identity.enrollment->key);
    EXPECT_TRUE(after.published.empty());
    world.set({});
    world.advance(hours(25));
    EXPECT_EQ(world.once().exit_code, 0);
}

// Four identities at one CA that never ends an answer: two exchanges at a time, each to its deadline.
TEST(HostileRun, H12_slow_answers_to_many_identities_end_at_their_deadlines) {
    HostileWorld& world = HostileWorld::instance();
    world.go_to(Stage::beginning);
    world.set({.faults = {"PKCSReq:*:mutate-BAD-6"}, .agent_lines = "[limits]\nexchange_timeout = \"4s\"\n"});
    std::string text = read_file(world.config());
    const std::string section = text.substr(text.find("[identity.web]"));
    for (const char* name : {"web2", "web3", "web4"}) {
        std::string more = section;
        more.replace(more.find("web]"), 3, name);
        more.replace(more.find("CN=web01"), 8, std::string("CN=") + name);
        text += "\n" + more;
    }
    write_file(world.config(), text);
    const RunResult result = world.once();
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 69);
    for (const char* name : {"web", "web2", "web3", "web4"}) {
        EXPECT_THAT(result.err, HasSubstr(fmt::format("E-CA-TIMEOUT {}: ", name)));
    }
    const auto posts = world.posts();
    ASSERT_EQ(posts.size(), 4U);
    EXPECT_GE(posts[2] - posts[0], std::chrono::seconds(1)) << "only after one of the first two has ended";
    EXPECT_TRUE(world.look().published.empty());
}

}  // namespace
}  // namespace hwenroll::test
