// The real daemon through years of renewals and rollovers of its CA: nothing is lost, nothing is double, nothing grows.
// 100 renewals and 1 rollover; `./test.sh --soak renewals` sets HWENROLL_SOAK for 1,000 and 3.
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include "agent/control/client.h"
#include "tests/e2e/daemon_world.h"
#include "tests/support/process_memory.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;

constexpr std::int64_t day_seconds = 86400;
constexpr std::int64_t lifetime_days = 40;
constexpr std::size_t settled_in = 20;  ///< renewals after which nothing grows any more
constexpr long allowed_growth_kib = 1024;
/// SoftHSM2 2.6.1 keeps 1.6 to 1.9 KiB of each key pair that was made and destroyed, also where a program does nothing
/// but C_GenerateKeyPair and C_DestroyObject. It is the module's, so the worker is allowed it on top.
constexpr long module_growth_kib = 3;
constexpr int history_days = 100;

struct Scale {
    std::size_t renewals = 100;
    std::size_t rollovers = 1;
    std::int64_t authority_days = 2'000;
};

Scale scale() {
    return std::getenv("HWENROLL_SOAK") == nullptr ? Scale{} : Scale{1'000, 3, 8'500};
}

/// What may not grow, of one process.
struct Holdings {
    ProcessMemory memory;
    std::size_t descriptors = 0;
};

/// The least of half a second: the agent has still to see that the last client of its socket is gone.
Holdings holdings_of(pid_t pid) {
    std::size_t descriptors = descriptors_of(pid);
    for (int i = 0; i < 25; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        descriptors = std::min(descriptors, descriptors_of(pid));
    }
    return {memory_of(pid).value_or(ProcessMemory{}), descriptors};
}

std::string to_text(const Holdings& holdings) {
    return fmt::format("resident {} KiB, proportional {} KiB, {} descriptors", holdings.memory.resident,
                       holdings.memory.proportional.value_or(0), holdings.descriptors);
}

/// One identity whose agent, CA and test share a clock that goes from one moment at which the agent has something to
/// do to the next.
class LongLife {
 public:
    explicit LongLife(const Scale& scale)
        : world_({"--lifetime", std::to_string(lifetime_days * day_seconds), "--backdate", "0", "--renewal", "17",
                  "--ca-lifetime", std::to_string(scale.authority_days * day_seconds), "--auto-rollover",
                  std::to_string(60 * day_seconds)}) {
        world_.configure({.agent_extra = fmt::format("history_keep = \"{}d\"\n", history_days)});
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return settled(); });
        look();
    }

    DaemonWorld& world() { return world_; }

    /// The clock goes on to what the agent waits for, which is done when this returns.
    void go_on() {
        ASSERT_TRUE(view_.next_at || view_.shadow_not_before) << "the agent waits for nothing";
        const TimePoint next =
            std::min(view_.next_at.value_or(TimePoint::max()), view_.shadow_not_before.value_or(TimePoint::max()));
        world_.go_to(next);
        world_.eventually("what was due at " + to_iso8601(next), [&] { return settled(); });
        look();
    }

    /// Serial numbers of the certificates that consumers saw, in their order.
    [[nodiscard]] const std::vector<std::string>& published() const { return published_; }

    /// What the agent says of the identity since go_on().
    [[nodiscard]] const control::IdentityView& view() const { return view_; }

    [[nodiscard]] std::vector<json> ledger() const {
        std::vector<json> entries;
        for (const std::string& line : world_.issued()) {
            entries.push_back(json::parse(line));
        }
        return entries;
    }

    [[nodiscard]] pid_t worker() {
        const auto children = children_of(world_.daemon().pid());
        EXPECT_EQ(children.size(), 1U) << "one worker for one token, and nothing else is left";
        return children.empty() ? -1 : children.front();
    }

    /// Rows of each table of state.db.
    [[nodiscard]] std::map<std::string, std::int64_t> rows() const {
        std::map<std::string, std::int64_t> counts;
        sqlite3* database = nullptr;
        EXPECT_EQ(sqlite3_open_v2((world_.directory() / "state" / "state.db").c_str(), &database, SQLITE_OPEN_READONLY,
                                  nullptr),
                  SQLITE_OK);
        for (const std::string& table : texts(database, "SELECT name FROM sqlite_master WHERE type='table'")) {
            counts[table] = std::stoll(texts(database, "SELECT count(*) FROM " + table).at(0));
        }
        counts["events before history_keep"] = std::stoll(
            texts(database, fmt::format("SELECT count(*) FROM events WHERE kind='identity' AND at < (SELECT max(at) "
                                        "FROM events WHERE kind='identity') - {}",
                                        history_days * day_seconds))
                .at(0));
        sqlite3_close(database);
        return counts;
    }

 private:
    static std::vector<std::string> texts(sqlite3* database, const std::string& query) {
        std::vector<std::string> found;
        sqlite3_stmt* statement = nullptr;
        EXPECT_EQ(sqlite3_prepare_v2(database, query.c_str(), -1, &statement, nullptr), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            found.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
        }
        sqlite3_finalize(statement);
        return found;
    }

    /// Nothing is under way, and what was due by now is done.
    bool settled() {
        auto client = control::Client::connect({.runtime_dir = world_.directory() / "run"});
        auto views = client ? client->status("web") : fail(client.error());
        if (!views) {
            return false;
        }
        view_ = views->front();
        const auto over = [&](const std::optional<TimePoint>& due) { return due && *due <= view_.at; };
        return view_.settled && view_.certificate && !over(view_.next_at) && !over(view_.shadow_not_before);
    }

    void look() {
        const auto leaf = world_.leaf();
        ASSERT_TRUE(leaf);
        if (const std::string serial = to_hex(leaf->serial()); published_.empty() || published_.back() != serial) {
            published_.push_back(serial);
        }
    }

    DaemonWorld world_;
    control::IdentityView view_;
    std::vector<std::string> published_;
};

/// Caps of design.md, "State and published files", for one identity at rest, its old keys destroyed, after a rollover.
void expect_rows_at_their_caps(const std::map<std::string, std::int64_t>& rows, const Scale& scale) {
    const std::map<std::string, std::int64_t> caps{
        {"clock", 1},
        {"machine", 1},
        {"authorities", 1},
        {"authority_records", 1},
        {"authority_certificates", 1},
        {"identities", 1},
        {"keys", 1},
        {"enrollments", 0},
        {"transactions", 0},
        {"credentials", 1},
        {"certificates", 2},
        {"deliveries", 0},
        {"retired_keys", 0},
        {"logins", 1},
        {"left_anchors", std::min<std::int64_t>(4, static_cast<std::int64_t>(scale.rollovers))}};
    for (const auto& [table, count] : rows) {
        const auto cap = caps.find(table);
        if (cap != caps.end()) {
            EXPECT_EQ(count, cap->second) << table;
        } else if (table != "events") {
            EXPECT_EQ(count, 0) << table;
        }
    }
}

/// As many certificates as were asked for, each published once, in the order of their issue, each asked for once.
void expect_none_lost_or_double(LongLife& life, const Scale& scale) {
    std::vector<std::string> issued;
    std::set<std::string> transactions;
    std::set<std::string> keys;
    std::size_t generations = 0;
    for (const json& entry : life.ledger()) {
        issued.push_back(entry["serial"]);
        transactions.insert(entry["transactionID"].get<std::string>());
        keys.insert(entry["publicKey"].get<std::string>());
        generations = std::max(generations, entry["generation"].get<std::size_t>());
    }
    EXPECT_EQ(life.published(), issued);
    EXPECT_EQ(transactions.size(), issued.size());
    EXPECT_EQ(keys.size(), issued.size());
    EXPECT_EQ(generations, scale.rollovers + 1) << "CAs that have issued";
    EXPECT_EQ(life.view().generation, static_cast<std::int64_t>(issued.size()));
    std::size_t requests = 0;
    for (const std::string& line : life.world().requests()) {
        requests += line.find(R"("messageType":"17")") != std::string::npos ||
                            line.find(R"("messageType":"19")") != std::string::npos
                        ? 1
                        : 0;
    }
    EXPECT_EQ(requests, issued.size());
}

void expect_no_growth(const std::string& what, const Holdings& before, const Holdings& after, long of_others = 0) {
    SCOPED_TRACE(what + ": " + to_text(before) + "; then " + to_text(after));
    EXPECT_GT(before.memory.resident, 0);
    const long allowed = allowed_growth_kib + of_others;
    EXPECT_LE(after.memory.resident, before.memory.resident + allowed);
    // PSS is printed, not judged: it rises by MiB when other processes that share libcrypto end. What is resident
    // bounds what PSS may grow by while nothing else changes.
    EXPECT_EQ(after.descriptors, before.descriptors);
}

TEST(LongLife, REN_3_ROLL_14_a_hundred_renewals_and_a_rollover_lose_double_and_leave_nothing) {
    const Scale scale = test::scale();
    const auto begun = std::chrono::steady_clock::now();
    LongLife life(scale);
    const auto at_rest_after = [&](std::size_t renewals) {
        // The shadows of the rollovers are renewals too; one more step destroys the last one's old key.
        while (!testing::Test::HasFatalFailure() && life.published().size() < renewals + 1) {
            life.go_on();
        }
        life.go_on();
        EXPECT_EQ(life.published().size(), renewals + 1);
    };
    at_rest_after(settled_in);
    ASSERT_FALSE(HasFatalFailure());
    const Holdings agent = holdings_of(life.world().daemon().pid());
    const Holdings worker = holdings_of(life.worker());
    const auto rows_before = life.rows();
    at_rest_after(scale.renewals + scale.rollovers);
    ASSERT_FALSE(HasFatalFailure());
    const Holdings agent_after = holdings_of(life.world().daemon().pid());
    const Holdings worker_after = holdings_of(life.worker());
    expect_no_growth("hwenrolld", agent, agent_after);
    const auto pairs = static_cast<long>(scale.renewals + scale.rollovers - settled_in);
    expect_no_growth("hwenroll-token", worker, worker_after, pairs * module_growth_kib);
    expect_none_lost_or_double(life, scale);
    const auto rows = life.rows();
    expect_rows_at_their_caps(rows, scale);
    EXPECT_EQ(rows.at("events before history_keep"), 0);
    EXPECT_LE(rows.at("events"), rows_before.at("events") + 20);
    for (const char* const kind : {"Private Key Object", "Public Key Object"}) {
        EXPECT_EQ(life.world().objects(kind), 1) << kind << "s: only the published one's";
    }
    EXPECT_EQ(life.world().objects("Certificate Object"), 0);
    EXPECT_EQ(life.world().stop_daemon(), 0);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
    fmt::print("{} renewals and {} rollovers, until {}, in {:.0f} s\n", scale.renewals, scale.rollovers,
               to_iso8601(life.view().at), wall.count());
    fmt::print("hwenrolld       after {}: {}; at the end: {}\n", settled_in, to_text(agent), to_text(agent_after));
    fmt::print("hwenroll-token  after {}: {}; at the end: {}\n", settled_in, to_text(worker), to_text(worker_after));
    for (const auto& [table, count] : rows) {
        fmt::print("{}: {} after {}, {} at the end\n", table, rows_before.at(table), settled_in, count);
    }
}

}  // namespace
}  // namespace hwenroll::test
