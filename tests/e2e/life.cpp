#include "tests/e2e/life.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include "agent/store/store.h"

namespace hwenroll::test {
namespace {

constexpr std::int64_t day_seconds = 86400;

/// What passes between two looks, about 20 ms apart: every wait of an agent that was killed ends soon.
constexpr Seconds step{20};

/// After so many looks what is waited for is a question to the CA that is put once a day.
constexpr int patience = 200;
constexpr Seconds leap{600};

std::vector<std::string> options_of(Stage stage, const std::vector<std::string>& more = {}) {
    std::vector<std::string> options{"--ca-lifetime", std::to_string(200 * day_seconds), "--lifetime",
                                     std::to_string(120 * day_seconds), "--auto-rollover",
                                     std::to_string(30 * day_seconds), "--backdate", "0", "--renewal", "both",
                                     // A message is on its way while the clock leaps.
                                     "--signing-time-window", std::to_string(day_seconds)};
    options.insert(options.end(), more.begin(), more.end());
    if (more.empty()) {
        options.insert(options.end(), {"--pending", "1"});
    }
    if (stage == Stage::refusal) {
        options.insert(options.end(), {"--refuse", "badMessageCheck"});
    }
    return options;
}

std::size_t certificates_at_end(Stage stage) {
    switch (stage) {
        case Stage::renewal:
            return 2;
        case Stage::rollover:
            return 3;
        case Stage::enrollment:
        case Stage::refusal:
        case Stage::envelope_key:
            break;
    }
    return 1;
}

std::string integrity_of(const std::filesystem::path& database) {
    sqlite3* connection = nullptr;
    std::string verdict = "cannot be opened";
    if (sqlite3_open_v2(database.c_str(), &connection, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
        const auto keep = [](void* into, int, char** values, char**) {
            *static_cast<std::string*>(into) = values[0];
            return 0;
        };
        sqlite3_exec(connection, "PRAGMA integrity_check", keep, &verdict, nullptr);
    }
    sqlite3_close(connection);
    return verdict;
}

}  // namespace

Life::Life(Stage stage, std::vector<std::string> environment, const std::vector<std::string>& lab_options)
    : stage_(stage), environment_(std::move(environment)), world_(options_of(stage, lab_options)) {
    const bool ec = stage == Stage::envelope_key;
    world_.configure({.ca_extra = ec ? "envelope = \"token-rsa\"\n" : "",
                      .key = ec ? "ec:p256" : "rsa:2048",
                      .identity_extra = "san = [\"dns:web01.example.com\"]\n"
                                        "on_change = [[\"/bin/true\"]]\n"
                                        "verify = { command = [\"/bin/true\"] }\n"});
}

bool Life::live() {
    begin();
    switch (stage_) {
        case Stage::enrollment:
            return enroll();
        case Stage::renewal:
            return enroll() && renew();
        case Stage::rollover:
            return enroll() && renew() && roll_over();
        case Stage::refusal:
            return be_refused() && enroll();
        case Stage::envelope_key:
            return enroll() && settle("the envelope key's end", [&] { return keys_in_state().size() == 1; });
    }
    return false;
}

bool Life::enroll() {
    return settled_at("OK", [&] { return world_.leaf().has_value(); });
}

bool Life::renew() {
    const auto before = world_.leaf();
    world_.go_to_day(91);
    if (!settled_at("OK", [&] { return world_.leaf() != before; })) {
        return false;
    }
    world_.go_to_day(92.5);
    return settle("the end of the old key", [&] { return keys_in_state().size() == 1; });
}

bool Life::roll_over() {
    world_.go_to_day(175);
    if (!settled_at("SHADOW-READY", [&] { return world_.anchors() == 2; })) {
        return false;
    }
    const auto before = world_.leaf();
    world_.go_to_day(200.5);
    return settled_at("OK", [&] { return world_.leaf() != before && world_.anchors() == 1; }) &&
           (world_.go_to_day(203), settle("the end of the old key", [&] { return keys_in_state().size() == 1; }));
}

bool Life::be_refused() {
    if (!settled_at("HELD(rejected)", [] { return true; })) {
        return false;
    }
    world_.restart_ca(options_of(Stage::enrollment));
    // The daemon may die of it; then the command does it by itself, and keeps out a daemon that starts meanwhile.
    let_daemons_end();
    return settle("the operator's word", [&] { return world_.command({"resume", "web"}).exit_code == 0; });
}

bool Life::said(const std::string& text) const {
    const auto holds = [&](const std::string& output) { return output.find(text) != std::string::npos; };
    return holds(world_.daemon().err()) || std::ranges::any_of(said_, holds);
}

bool Life::settled_at(const std::string& word, const std::function<bool()>& holds) {
    return settle("the word " + word, [&] { return holds() && world_.word() == word; });
}

bool Life::settle(const std::string& what, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (int look = 0;; ++look) {
        revive();
        resume_token();
        watch();
        // What a daemon commits last may have been its last.
        if (holds() && !revive()) {
            return true;
        }
        if (std::chrono::steady_clock::now() > end) {
            ADD_FAILURE() << what << " did not happen\n"
                          << testing::PrintToString(said_) << world_.daemon().err()
                          << world_.command({"status", "web"}).out << world_.command({"history", "web"}).out;
            return false;
        }
        world_.advance(look < patience ? step : leap);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

/// True when the daemon had ended.
bool Life::revive() {
    const auto ended = world_.daemon().wait(std::chrono::milliseconds(0));
    if (!ended) {
        return false;
    }
    EXPECT_TRUE(ended->signal == SIGKILL || (may_end_ && ended->signal == 0))
        << ended->signal << ' ' << ended->exit_code << '\n'
        << world_.daemon().err();
    said_.push_back(world_.daemon().err());
    ++deaths_;
    world_.start_daemon(environment_);
    return true;
}

void Life::resume_token() {
    if (operator_at_token_ && world_.daemon().err().find("E-TOKEN-PIN") != std::string::npos) {
        operator_at_token_ = false;
        const RunResult resumed = world_.command({"resume", "web"});
        EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    }
}

/// Invariants 1 to 3, whatever has just died.
void Life::watch() {
    if (const auto leaf = world_.leaf()) {
        EXPECT_GE(leaf->not_after(), best_end_) << "a published certificate ends earlier than one before it";
        best_end_ = std::max(best_end_, leaf->not_after());
    } else {
        EXPECT_EQ(best_end_, TimePoint{}) << "what was published is gone";
    }
}

std::vector<std::string> Life::keys_in_state() const {
    auto store = store::Store::open_read_only(world_.directory() / "state");
    const auto owners = store ? store->key_owners() : fail(store.error());
    std::vector<std::string> keys;
    for (const store::KeyOwner& owner : owners ? *owners : std::vector<store::KeyOwner>()) {
        keys.push_back(to_hex(owner.id));
    }
    std::ranges::sort(keys);
    return keys;
}

std::vector<std::string> Life::keys_on_token() const {
    const RunResult listed = world_.command({"token", "keys", "--json"});
    const auto answer = nlohmann::json::parse(listed.out, nullptr, false);
    std::vector<std::string> keys;
    if (answer.is_discarded()) {
        ADD_FAILURE() << listed.out << listed.err;
        return keys;
    }
    for (const auto& key : answer["keys"]) {
        keys.push_back(key["id"].get<std::string>());
    }
    std::ranges::sort(keys);
    return keys;
}

void Life::expect_end() {
    const auto leaf = world_.leaf();
    ASSERT_TRUE(leaf);
    // One that was killed at the very end is only starting now, and SIGTERM would end it like any other program.
    ASSERT_TRUE(settle("a daemon that answers", [&] { return world_.listens(); }));
    // A second kill may hit the daemon that only starts to find that all is done.
    if (int stopped = world_.stop_daemon(); stopped != 0) {
        ASSERT_TRUE(revive()) << "the daemon did not end within 10 s";
        ASSERT_TRUE(settle("a last start", [&] { return world_.listens(); }));
        stopped = world_.stop_daemon();
        EXPECT_EQ(stopped, 0) << world_.daemon().err();
    }
    said_.push_back(world_.daemon().err());
    const auto issued = world_.issued();
    EXPECT_EQ(issued.size(), certificates_at_end(stage_)) << "no certificate is lost and none is asked for twice";
    EXPECT_THAT(issued.back(), testing::HasSubstr(to_hex(leaf->serial()))) << "the last one is in use";
    EXPECT_EQ(keys_in_state().size(), 1U);
    EXPECT_EQ(keys_on_token(), keys_in_state()) << "invariant 9: no unlisted token object";
    EXPECT_EQ(integrity_of(world_.directory() / "state" / "state.db"), "ok");
    std::size_t generations = 0;
    for (const auto& entry : std::filesystem::directory_iterator(world_.live().parent_path())) {
        const std::string name = entry.path().filename().string();
        EXPECT_TRUE(name == "current" || name.starts_with("gen-")) << "left over: " << name;
        generations += name.starts_with("gen-") ? 1 : 0;
    }
    EXPECT_LE(generations, 3U);
    world_.expect_published(world_.now());
    world_.expect_no_canary(said_);
}

}  // namespace hwenroll::test
