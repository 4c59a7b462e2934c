// state.db: what is committed comes back, and only one process writes (design, "State and published files").
#include "agent/store/store.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "agent/store/schema.h"
#include "agent/store/state_directory.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::store {
namespace {

using lifecycle::IdentityState;
using lifecycle::Phase;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TimePoint now = TimePoint(Seconds(1'800'000'000));

lifecycle::Transaction transaction() {
    lifecycle::Transaction transaction;
    transaction.id.value = "ABCDEF";
    transaction.type = scep::MessageType::pkcs_req;
    transaction.envelope = {0, 1, 2, 0};
    transaction.signer_certificate = {3};
    transaction.subject = {4};
    transaction.recipient = Bytes(32, 5);
    transaction.authority_generation = 7;
    transaction.digest = scep::Digest::sha512;
    transaction.cipher = scep::ContentCipher::aes256;
    transaction.configuration_mark = {11, 0};
    transaction.prepared_at = now;
    transaction.nonce.value.fill(9);
    transaction.sends = 2;
    transaction.polls = 3;
    transaction.pending = true;
    transaction.signer_chain = {{0x30, 5}, {0x30, 0, 6}};
    transaction.signer_mark = {15, 0};
    transaction.recovery = 2;
    return transaction;
}

lifecycle::IssuedRecord issued() {
    return {{0x30, 1}, {{0x31}, {0x32}}, {{0x33}, {0x34}}, now, now + Seconds(1000)};
}

/// A state with every field set.
IdentityState full_state() {
    IdentityState state;
    state.phase = Phase::valid;
    state.enrollment = lifecycle::Enrollment{{Bytes(16, 1), {2, 2}}, {12, 0}, transaction(), {}};
    state.enrollment->transaction->signer_key = lifecycle::KeyRecord{Bytes(16, 8), {9}, true, "signer's pem"};
    state.enrollment->retried_for_authority = true;
    state.enrollment->purpose = lifecycle::Purpose::shadow;
    state.enrollment->authority = {0x30, 0, 1};
    state.enrollment->forced = true;
    state.enrollment->restarted = true;
    state.enrollment->envelope_key =
        lifecycle::KeyRecord{Bytes(16, 12), {7, 0}, false, "envelope key's pem", "lab", "handle:0x81000011"};
    state.next = lifecycle::Credential{{Bytes(16, 7), {6}}, issued(), 5, {}, 17, {1, 0}, {2, 0}};
    state.current = lifecycle::Credential{{Bytes(16, 8), {9}}, issued(), 4, now, 0xFFFFFFFF, {3}, {4}};
    state.current->key.pem = "current's pem";
    state.current->key.uri = "handle:0x81000010";
    state.current->key.token = "lab";
    state.shadow = lifecycle::Shadow{{{Bytes(16, 9), {8}}, issued(), 0, {}, 18, {5}, {6}}, {0x30, 0, 2}};
    state.publish_after = now + Seconds(1);
    state.seek_after = now + Seconds(2);
    state.alerted_at = now - Seconds(3);
    state.delivery = lifecycle::Delivery{
        4, 2, now + Seconds(4), now + Seconds(900),
        lifecycle::DeliveryFailure{ErrorCode::hook_failed, "E-HOOK-FAILED web: no", now - Seconds(6), 3}};
    state.retired = {{{Bytes(16, 10), {1}}, now + Seconds(5), 3}, {{Bytes(16, 11), {}}, {}, 0}};
    state.wish = lifecycle::Wish::rekey;
    state.revoked = true;
    state.unproved = true;
    state.renewal_req_refused = {14, 0};
    state.wait = {lifecycle::WaitingFor::ca, now + Seconds(60), lifecycle::RetryAfter{now + Seconds(50), {13, 0}}};
    state.failure = lifecycle::FailureRecord{ErrorCode::ca_timeout, "E-CA-TIMEOUT web: late; later", now};
    state.counters = {1, 2, 3};
    state.last_generation = 4;
    return state;
}

class StoreTest : public testing::Test {
 protected:
    Store open() {
        auto store = Store::open(directory_ / "state", {});
        EXPECT_TRUE(store) << (store ? "" : store.error().line());
        return *std::move(store);
    }
    std::string database() const { return database_path(directory_ / "state").string(); }

    /// Acts behind the store's back.
    void run_sql(const char* sql) const {
        sqlite3* raw = nullptr;
        ASSERT_EQ(sqlite3_open(database().c_str(), &raw), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(raw);
        sqlite3_close(raw);
    }

    test::TemporaryDirectory directory_;
};

TEST_F(StoreTest, an_unknown_identity_has_the_initial_state) {
    EXPECT_EQ(*open().identity("web"), IdentityState{});
}

TEST_F(StoreTest, SM_16_every_field_of_an_identity_comes_back_after_a_restart) {
    ASSERT_TRUE(open().commit("web", "lab", full_state(), "note", now));
    EXPECT_EQ(*open().identity("web"), full_state());
}

TEST_F(StoreTest, a_certificate_to_publish_and_a_hold_come_back) {
    IdentityState publishing;
    publishing.phase = Phase::need_publish;
    publishing.next = lifecycle::Credential{{Bytes(16, 1), {2}}, issued(), 1, {}};
    IdentityState held;
    held.phase = Phase::held;
    held.hold = lifecycle::Hold{lifecycle::HoldReason::message_cap, {1, 0, 2}};
    Store store = open();
    ASSERT_TRUE(store.commit("a", "lab", publishing, {}, now));
    ASSERT_TRUE(store.commit("b", "lab", held, {}, now));
    EXPECT_EQ(*store.identity("a"), publishing);
    EXPECT_EQ(*store.identity("b"), held);
    EXPECT_THAT(*store.identities(), ElementsAre("a", "b"));
}

TEST_F(StoreTest, FI_2_a_refused_request_comes_back_as_refused) {
    IdentityState refused;
    refused.phase = Phase::need_submit;
    refused.enrollment = lifecycle::Enrollment{{Bytes(16, 1), {2}}, {12}, {}};
    refused.enrollment->refused =
        lifecycle::RefusedRequest{Bytes(32, 5), scep::Digest::sha512, scep::ContentCipher::aes256, {11, 0}};
    ASSERT_TRUE(open().commit("web", "lab", refused, {}, now));
    EXPECT_EQ(*open().identity("web"), refused);
}

TEST_F(StoreTest, K1_the_latest_time_seen_comes_back_after_a_restart) {
    EXPECT_EQ(*open().clock_seen(), std::nullopt);
    ASSERT_TRUE(open().commit_clock_seen(now));
    ASSERT_TRUE(open().commit_clock_seen(now + Seconds(60)));
    EXPECT_EQ(*open().clock_seen(), now + Seconds(60));
}

std::vector<Bytes> known_keys(Store& store) {
    std::vector<Bytes> ids;
    const auto owners = store.key_owners();
    for (const KeyOwner& owner : *owners) {
        ids.push_back(owner.id);
    }
    return ids;
}

TEST_F(StoreTest, F4_forgets_an_identity_and_keeps_its_history) {
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", full_state(), "enrolled", now));
    ASSERT_TRUE(store.commit("mail", "lab", full_state(), {}, now));
    ASSERT_TRUE(store.forget("web", "its keys were destroyed by an operator", now));
    EXPECT_EQ(*store.identity("web"), IdentityState{});
    EXPECT_THAT(*store.identities(), ElementsAre("mail"));
    EXPECT_EQ(store.history("identity", "web", 10)->size(), 2U);
    EXPECT_EQ(*store.identity("mail"), full_state());
}

TEST_F(StoreTest, P13_knows_how_long_the_last_generation_took) {
    EXPECT_EQ(*open().generation_time("tpm", "rsa:2048"), std::nullopt);
    ASSERT_TRUE(open().commit_generation_time("tpm", "rsa:2048", std::chrono::milliseconds(12'345)));
    ASSERT_TRUE(open().commit_generation_time("tpm", "rsa:2048", std::chrono::milliseconds(9'000)));
    EXPECT_EQ(*open().generation_time("tpm", "rsa:2048"), std::chrono::milliseconds(9'000));
    EXPECT_EQ(*open().generation_time("tpm", "ec:p256"), std::nullopt);
}

TEST_F(StoreTest, T17_retired_keys_are_known_keys) {
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", full_state(), {}, now));
    EXPECT_THAT(known_keys(store), testing::UnorderedElementsAre(Bytes(16, 1), Bytes(16, 7), Bytes(16, 8), Bytes(16, 9),
                                                                 Bytes(16, 10), Bytes(16, 11), Bytes(16, 12)));
}

TEST_F(StoreTest, a_commit_replaces_the_whole_state) {
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", full_state(), {}, now));
    IdentityState next;
    next.phase = Phase::need_key;
    next.enrollment = lifecycle::Enrollment{{Bytes(16, 3), {}}, {}, {}, {}};
    ASSERT_TRUE(store.commit("web", "lab", next, {}, now));
    EXPECT_EQ(*store.identity("web"), next);
    EXPECT_THAT(*store.key_owners(), ElementsAre(KeyOwner{Bytes(16, 3), "web", "lab", false, false}));
}

TEST_F(StoreTest, an_authority_comes_back_after_a_restart) {
    lifecycle::AuthorityState state;
    state.current = lifecycle::AuthorityRecord{3,   "AES",     {{1, 2}, {3}},    Bytes(32, 4),
                                               now, {0x30, 0}, now - Seconds(7), now + Seconds(8)};
    state.next =
        lifecycle::AuthorityRecord{4, {}, {{9, 0}}, Bytes(32, 5), now, {0x30, 1}, now + Seconds(8), now + Seconds(90)};
    state.phase = lifecycle::AuthorityPhase::next_known;
    state.last_generation = 4;
    state.pins_at_switch = {Bytes(32, 6), Bytes(32, 7)};
    state.left = {{{0x30, 2}, Bytes(32, 8), now}, {{0x30, 3}, Bytes(32, 9), now + Seconds(1)}};
    state.sought_at = now - Seconds(5);
    state.candidate = lifecycle::AuthorityRecord{0,   {},        {{9, 1}, {8}},    Bytes(32, 10),
                                                 now, {0x30, 4}, now + Seconds(9), now + Seconds(91)};
    state.candidate_told_at = now - Seconds(6);
    state.failure = lifecycle::FailureRecord{ErrorCode::ca_http, "line", now};
    ASSERT_TRUE(open().commit("corp", state, "trusted", now));
    EXPECT_EQ(*open().authority("corp"), state);
    EXPECT_EQ(*open().authority("other"), lifecycle::AuthorityState{});
}

TEST_F(StoreTest, invariant_6_the_record_of_a_login_comes_back_after_a_restart) {
    const LoginRecord record{LoginRecordOutcome::refused, now,         2,
                             PinFile{1, 2, 3, -4, 5},     "file:/pin", "pkcs11:serial=1"};
    ASSERT_TRUE(open().commit("lab", record, "refused", now));
    EXPECT_THAT(*open().logins_of_section("lab"), ElementsAre(record));
    EXPECT_THAT(*open().logins_of_section("other"), IsEmpty());
}

TEST_F(StoreTest, invariant_6_the_records_of_a_device_are_found_and_forgotten_together) {
    const LoginRecord lab{LoginRecordOutcome::refused, now, 0, {}, "exec:/pin", "pkcs11:serial=1"};
    LoginRecord renamed = lab;
    renamed.begun_at = now + Seconds(1);
    LoginRecord other = lab;
    other.token_uri = "pkcs11:serial=2";
    Store store = open();
    ASSERT_TRUE(store.commit("lab", lab, {}, now));
    ASSERT_TRUE(store.commit("renamed", renamed, {}, now));
    ASSERT_TRUE(store.commit("other", other, {}, now));
    EXPECT_THAT(*store.logins_of_device("pkcs11:serial=1"), ElementsAre(lab, renamed));
    ASSERT_TRUE(store.forget_logins("renamed", "resumed", now));
    EXPECT_TRUE(store.logins_of_device("pkcs11:serial=1")->empty());
    EXPECT_THAT(*store.logins_of_section("lab"), IsEmpty());
    EXPECT_THAT(*store.logins_of_section("other"), ElementsAre(other));
    EXPECT_EQ(store.history("token", "renamed", 1)->front().text, "resumed");
}

LoginRecord login(LoginRecordOutcome outcome, const std::string& source, std::optional<PinFile> file = {}) {
    return {outcome, now, outcome == LoginRecordOutcome::begun ? 1U : 0U, file, source, "pkcs11:serial=1"};
}

TEST_F(StoreTest, invariant_6_a_refusal_outlives_a_try_of_another_source) {
    const LoginRecord a = login(LoginRecordOutcome::refused, "file:/a", PinFile{1, 2, 3, 4, 5});
    const LoginRecord b = login(LoginRecordOutcome::refused, "file:/b", PinFile{1, 3, 3, 4, 5});
    Store store = open();
    ASSERT_TRUE(store.commit("lab", a, {}, now));
    ASSERT_TRUE(store.commit("lab", login(LoginRecordOutcome::begun, "file:/b"), {}, now));
    ASSERT_TRUE(store.commit("lab", b, {}, now));
    EXPECT_THAT(*store.logins_of_section("lab"), ElementsAre(a, b));
}

TEST_F(StoreTest, invariant_6_an_accepted_login_settles_lost_ones_of_its_device_and_refusals_of_its_source) {
    const LoginRecord other_source = login(LoginRecordOutcome::refused, "exec:/b");
    LoginRecord other_device = login(LoginRecordOutcome::begun, "exec:/a");
    other_device.token_uri = "pkcs11:serial=2";
    LoginRecord accepted = login(LoginRecordOutcome::accepted, "exec:/a");
    accepted.begun_at = now - Seconds(86400);  // the clock was set back
    Store store = open();
    ASSERT_TRUE(store.commit("renamed", login(LoginRecordOutcome::refused, "exec:/a"), {}, now));
    ASSERT_TRUE(store.commit("renamed", other_source, {}, now));
    ASSERT_TRUE(store.commit("renamed", login(LoginRecordOutcome::begun, "exec:/c"), {}, now));
    ASSERT_TRUE(store.commit("renamed", other_device, {}, now));
    ASSERT_TRUE(store.commit("lab", login(LoginRecordOutcome::begun, "exec:/a"), {}, now));
    ASSERT_TRUE(store.settle("lab", accepted, {}, now));
    EXPECT_THAT(*store.logins_of_section("renamed"), ElementsAre(other_source, other_device));
    EXPECT_THAT(*store.logins_of_section("lab"), ElementsAre(accepted));
}

// A login that was not tried puts back the record it replaced, which may be an accepted one of long ago.
TEST_F(StoreTest, invariant_6_an_accepted_record_that_is_put_back_settles_nothing) {
    const LoginRecord lost = login(LoginRecordOutcome::begun, "exec:/b");
    const LoginRecord accepted = login(LoginRecordOutcome::accepted, "exec:/a");
    Store store = open();
    ASSERT_TRUE(store.commit("renamed", lost, {}, now));
    ASSERT_TRUE(store.commit("lab", login(LoginRecordOutcome::begun, "exec:/a"), {}, now));
    ASSERT_TRUE(store.commit("lab", accepted, {}, now));
    EXPECT_THAT(*store.logins_of_device("pkcs11:serial=1"), ElementsAre(lost, accepted));
}

TEST_F(StoreTest, T9_a_refused_file_is_not_forgotten_on_an_operators_word) {
    const LoginRecord file = login(LoginRecordOutcome::refused, "file:/a", PinFile{1, 2, 3, 4, 5});
    Store store = open();
    ASSERT_TRUE(store.commit("renamed", file, {}, now));
    ASSERT_TRUE(store.commit("renamed", login(LoginRecordOutcome::refused, "exec:/b"), {}, now));
    ASSERT_TRUE(store.commit("lab", login(LoginRecordOutcome::begun, "file:/c", PinFile{1, 9, 3, 4, 5}), {}, now));
    ASSERT_TRUE(store.forget_logins("lab", "resumed", now));
    EXPECT_THAT(*store.logins_of_device("pkcs11:serial=1"), ElementsAre(file));
}

TEST_F(StoreTest, K1_history_is_kept_newest_first_within_its_bounds) {
    auto store = Store::open(directory_ / "state", {Seconds(1000), 3});
    ASSERT_TRUE(store);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(store->commit("web", "lab", IdentityState{}, "note " + std::to_string(i), now + Seconds(i)));
    }
    const auto entries = store->history("identity", "web", 10);
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 3U);
    EXPECT_EQ(entries->front().text, "note 4");
    EXPECT_EQ(entries->front().at, now + Seconds(4));
    ASSERT_TRUE(store->commit("web", "lab", IdentityState{}, "K1 ahead", now + Seconds(5000)));
    EXPECT_EQ(store->history("identity", "web", 10)->size(), 3U) << "nothing goes for its age on nobody's word";
    store->trust_clock(true);
    ASSERT_TRUE(store->commit("web", "lab", IdentityState{}, "late", now + Seconds(5000)));
    EXPECT_EQ(store->history("identity", "web", 10)->size(), 2U) << "older than keep";
    store->trust_clock(false);
    ASSERT_TRUE(store->commit("web", "lab", IdentityState{}, "later", now + Seconds(50'000)));
    EXPECT_EQ(store->history("identity", "web", 10)->size(), 3U);
}

TEST_F(StoreTest, SEC_14_notes_are_stored_printable) {
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", IdentityState{}, "a\n\033[31mb", now));
    EXPECT_EQ(store.history("identity", "web", 1)->front().text, "a\\x0a\\x1b[31mb");
}

TEST_F(StoreTest, a_second_instance_is_kept_out) {
    const Store first = open();
    const auto second = Store::open(directory_ / "state", {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::state_locked);
    EXPECT_EQ(second.error().info().exit_code, 75);
}

TEST_F(StoreTest, a_reader_works_beside_the_agent_and_cannot_write) {
    Store writer = open();
    ASSERT_TRUE(writer.commit("web", "lab", full_state(), {}, now));
    auto reader = Store::open_read_only(directory_ / "state");
    ASSERT_TRUE(reader) << reader.error().line();
    EXPECT_EQ(*reader->identity("web"), full_state());
    EXPECT_FALSE(reader->commit("web", "lab", IdentityState{}, {}, now));
}

TEST_F(StoreTest, a_missing_database_is_an_error_for_a_reader) {
    const auto reader = Store::open_read_only(directory_ / "nowhere");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().code(), ErrorCode::state_database);
}

TEST_F(StoreTest, SEC_15_the_database_is_for_its_owner_only_and_the_directory_lets_consumers_pass) {
    const mode_t before = ::umask(0077);
    const Store store = open();
    ::umask(before);
    struct stat info {};
    ASSERT_EQ(::stat((directory_ / "state").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0711U);
    ASSERT_EQ(::stat(database().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(StoreTest, a_link_on_the_way_to_the_state_directory_is_followed_and_one_in_place_of_the_database_is_not) {
    std::filesystem::create_directory(directory_ / "real");
    std::filesystem::create_directory_symlink("real", directory_ / "link");
    {
        auto store = Store::open(directory_ / "link" / "state", {});
        ASSERT_TRUE(store) << store.error().line();
        ASSERT_TRUE(store->commit("web", "lab", full_state(), {}, now));
    }
    EXPECT_TRUE(Store::open_read_only(directory_ / "link" / "state"));
    const auto file = directory_ / "real" / "state" / "state.db";
    std::filesystem::rename(file, directory_ / "elsewhere");
    std::filesystem::create_symlink(directory_ / "elsewhere", file);
    EXPECT_FALSE(Store::open(directory_ / "link" / "state", {}));
}

TEST_F(StoreTest, SEC_15_root_gives_away_only_the_database_that_it_makes) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to give a directory away";
    }
    constexpr uid_t agent = 65534;
    const auto state = directory_ / "state";
    std::filesystem::create_directory(state);
    ASSERT_EQ(::chown(state.c_str(), agent, agent), 0);
    // As somebody plants it who owns the directory.
    test::write_file(directory_ / "roots", "", 0644);
    std::filesystem::create_hard_link(directory_ / "roots", database());
    static_cast<void>(Store::open(state, {}));
    struct stat info {};
    ASSERT_EQ(::stat((directory_ / "roots").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 0U);
    EXPECT_EQ(info.st_mode & 0777U, 0644U);
    for (const auto& entry : std::filesystem::directory_iterator(state)) {
        std::filesystem::remove(entry.path());
    }
    ASSERT_TRUE(Store::open(state, {}));
    ASSERT_EQ(::stat(database().c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, agent);
    EXPECT_EQ(info.st_gid, agent);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

/// A line that says which version it is, who made it and what to do.
void expect_version_error(const Error& error, const std::string& who, const std::string& next) {
    EXPECT_EQ(error.code(), ErrorCode::state_version);
    EXPECT_EQ(error.info().exit_code, 75);
    EXPECT_THAT(error.line(), HasSubstr(who));
    EXPECT_THAT(error.line(), HasSubstr(next));
}

TEST_F(StoreTest, S17_a_database_of_a_newer_version_is_left_alone) {
    open();
    run_sql("PRAGMA user_version=99");
    const auto store = Store::open(directory_ / "state", {});
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code(), ErrorCode::state_version);
    expect_version_error(store.error(), "a newer version of hwenroll made it", "run that version again");
    EXPECT_EQ(Store::open_read_only(directory_ / "state").error().line(), store.error().line());
}

// Version 1 as it was first, before its tables changed under the same number.
constexpr const char* unreleased_version_1 = R"sql(
CREATE TABLE authorities (
    name TEXT PRIMARY KEY,
    phase INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    capabilities TEXT NOT NULL,
    anchor_fingerprint BLOB NOT NULL,
    fetched_at INTEGER NOT NULL,
    error_name TEXT, error_line TEXT, error_at INTEGER
) STRICT;
CREATE TABLE authority_certificates (
    authority TEXT NOT NULL REFERENCES authorities(name) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (authority, generation, position)
) STRICT;
CREATE TABLE identities (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    phase INTEGER NOT NULL,
    waiting_for INTEGER NOT NULL, wait_until INTEGER NOT NULL,
    hold_reason INTEGER, hold_mark BLOB,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    failures INTEGER NOT NULL, messages INTEGER NOT NULL, certificates INTEGER NOT NULL,
    last_generation INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
    identity TEXT NOT NULL REFERENCES identities(name) ON DELETE CASCADE,
    slot TEXT NOT NULL CHECK (slot IN ('attempt', 'current')),
    key_id BLOB NOT NULL,
    spki BLOB NOT NULL,
    PRIMARY KEY (identity, slot)
) STRICT;
CREATE TABLE transactions (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    type INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    signer_certificate BLOB NOT NULL,
    subject BLOB NOT NULL,
    recipient BLOB NOT NULL,
    authority_generation INTEGER NOT NULL,
    digest INTEGER NOT NULL, cipher INTEGER NOT NULL,
    prepared_at INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sends INTEGER NOT NULL, polls INTEGER NOT NULL, pending INTEGER NOT NULL,
    PRIMARY KEY (identity, slot),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE certificates (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    position INTEGER NOT NULL,
    not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (identity, slot, position),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE deployments (
    identity TEXT PRIMARY KEY REFERENCES identities(name) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    published_at INTEGER NOT NULL
) STRICT;
CREATE TABLE logins (
    token TEXT PRIMARY KEY,
    outcome INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    device INTEGER, inode INTEGER, size INTEGER, modified_ns INTEGER, changed_ns INTEGER
) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('identity', 'authority', 'token')),
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX events_of ON events (kind, name, id);
PRAGMA user_version=1;
)sql";

TEST_F(StoreTest, a_database_of_the_unreleased_version_1_is_refused_with_what_to_do) {
    std::filesystem::create_directory(directory_ / "state");
    run_sql(unreleased_version_1);
    const auto store = Store::open(directory_ / "state", {});
    ASSERT_FALSE(store);
    expect_version_error(store.error(), "an earlier version of hwenroll that was never released made it",
                         "move state.db away");
    EXPECT_THAT(store.error().line(), HasSubstr("published files stay"));
    EXPECT_THAT(store.error().line(), HasSubstr("'hwenroll token keys' lists the keys"));
    const auto reader = Store::open_read_only(directory_ / "state");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().line(), store.error().line());
}

TEST_F(StoreTest, an_empty_database_is_made_by_the_agent_and_a_reader_is_told_so) {
    std::filesystem::create_directory(directory_ / "state");
    run_sql("PRAGMA user_version=0; VACUUM");
    const auto reader = Store::open_read_only(directory_ / "state");
    ASSERT_FALSE(reader);
    expect_version_error(reader.error(), "has not been brought up to date", "run hwenrolld");
    ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now));
    EXPECT_TRUE(Store::open_read_only(directory_ / "state"));
}

// The steps of versions to come, tried on a layout of the test's own.
constexpr std::array<const char*, 2> steps{"ALTER TABLE pets ADD COLUMN legs INTEGER NOT NULL DEFAULT 4",
                                           "UPDATE pets SET legs=2 WHERE name='parrot'; CREATE TABLE feed (x INTEGER)"};
constexpr const char* create_pets = "CREATE TABLE pets (name TEXT); INSERT INTO pets VALUES ('parrot'),('cat')";
constexpr Layout pets_2{create_pets, 2, nullptr, 0};
constexpr Layout pets_3{create_pets, 2, steps.data(), 1};
constexpr Layout pets_4{create_pets, 2, steps.data(), 2};

std::int64_t number(Database& database, const char* sql) {
    Statement statement(database, sql);
    EXPECT_TRUE(statement.step());
    return statement.integer(0);
}

TEST_F(StoreTest, S17_an_older_database_is_brought_up_step_by_step_with_what_it_holds) {
    auto database = Database::open(directory_ / "pets.db");
    ASSERT_TRUE(database);
    ASSERT_TRUE(migrate(*database, pets_2));
    ASSERT_TRUE(database->execute("INSERT INTO pets VALUES ('dog')"));
    expect_version_error(require_current_version(*database, pets_4).error(), "has not been brought up to date",
                         "run hwenrolld");
    ASSERT_TRUE(migrate(*database, pets_4));
    EXPECT_TRUE(require_current_version(*database, pets_4));
    EXPECT_EQ(number(*database, "SELECT sum(legs) FROM pets"), 2 + 4 + 4);
    EXPECT_TRUE(migrate(*database, pets_4)) << "once only";
    expect_version_error(migrate(*database, pets_3).error(), "a newer version", "run that version again");
}

/// The columns of versions 10 and 11 are not there.
constexpr const char* tables_of_version_9 = R"sql(
ALTER TABLE deliveries DROP COLUMN confirmed;
ALTER TABLE deliveries DROP COLUMN error_name;
ALTER TABLE deliveries DROP COLUMN error_line;
ALTER TABLE deliveries DROP COLUMN failed_since;
ALTER TABLE deliveries DROP COLUMN attempts;
ALTER TABLE identities DROP COLUMN unproved;
PRAGMA user_version=9;
)sql";

/// full_state() as a version before 10 kept it.
IdentityState state_of_version_9() {
    IdentityState state = full_state();
    state.delivery->confirmed.reset();
    state.delivery->failure.reset();
    return state;
}

TEST_F(StoreTest, S17_O1_version_9_is_brought_up_and_counts_the_failed_deliveries_that_it_knows) {
    ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now));
    run_sql(tables_of_version_9);
    const auto brought = open().identity("web");
    ASSERT_TRUE(brought) << brought.error().line();
    EXPECT_EQ(*brought, state_of_version_9());
    EXPECT_EQ(delivery_failures(*brought), 2U);
    EXPECT_FALSE(confirmed_end(*brought)) << "nobody knows";
    ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now));
    EXPECT_EQ(*open().identity("web"), full_state());
}

// As the version before left it: the columns and the table of the last step are not there.
TEST_F(StoreTest, S17_version_5_is_brought_up_and_says_where_its_keys_are) {
    IdentityState state = full_state();
    ASSERT_TRUE(open().commit("web", "lab", state, {}, now));
    run_sql(tables_of_version_9);
    run_sql(
        "ALTER TABLE keys DROP COLUMN uri; ALTER TABLE keys DROP COLUMN token; "
        "ALTER TABLE retired_keys DROP COLUMN token; DROP TABLE generations; "
        "ALTER TABLE credentials DROP COLUMN crl; DROP TABLE crls; DROP TABLE crl_documents; DROP TABLE envelope_keys; "
        "PRAGMA user_version=5");
    Store store = open();
    const auto brought = store.identity("web");
    ASSERT_TRUE(brought) << brought.error().line();
    EXPECT_EQ(brought->current->key.id, state.current->key.id);
    EXPECT_EQ(brought->current->key.pem, state.current->key.pem);
    EXPECT_EQ(brought->current->key.token, "lab");
    ASSERT_EQ(brought->retired.size(), state.retired.size());
    EXPECT_EQ(brought->retired[0].key.token, "lab");
}

TEST_F(StoreTest, S17_version_7_is_brought_up_and_knows_envelope_keys_from_then_on) {
    IdentityState state = state_of_version_9();
    state.enrollment->envelope_key.reset();
    ASSERT_TRUE(open().commit("web", "lab", state, {}, now));
    run_sql(tables_of_version_9);
    run_sql("DROP TABLE envelope_keys; PRAGMA user_version=7");
    ASSERT_EQ(*open().identity("web"), state);
    ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now));
    EXPECT_EQ(*open().identity("web"), full_state());
}

TEST_F(StoreTest, T24_invariant_9_an_envelope_key_has_an_owner_from_its_id_on) {
    IdentityState state;
    state.phase = Phase::need_key;
    state.enrollment = lifecycle::Enrollment{{Bytes(16, 1), {2}}, {}, {}, {}};
    state.enrollment->envelope_key = lifecycle::KeyRecord{Bytes(16, 2), {}, false, {}, "lab"};
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    EXPECT_EQ(*store.identity("web"), state);
    EXPECT_THAT(known_keys(store), testing::UnorderedElementsAre(Bytes(16, 1), Bytes(16, 2)));
    // A phase that says that it is there contradicts the record.
    run_sql("UPDATE identities SET phase=3");
    EXPECT_EQ(store.identity("web").error().code(), ErrorCode::state_database);
}

TEST_F(StoreTest, P15_O10_knows_a_key_that_another_identity_has) {
    IdentityState state = full_state();
    const Bytes id = state.current->key.id;
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    EXPECT_FALSE(*store.is_needed_by_another(id, "web"));
    ASSERT_TRUE(store.commit("mail", "lab", state, {}, now));
    EXPECT_TRUE(*store.is_needed_by_another(id, "web")) << "whoever has made it";
    state.current->key.adopted = true;
    ASSERT_TRUE(store.commit("mail", "lab", state, {}, now));
    EXPECT_TRUE(*store.is_needed_by_another(id, "web"));
    EXPECT_TRUE(*store.is_needed_by_another(id, "mail"));
    EXPECT_FALSE(*store.is_needed_by_another(Bytes(16, 0x77), "mail"));
}

lifecycle::CrlState crl_state(std::uint8_t issuer, ByteView document) {
    lifecycle::CrlState state;
    state.issuer = {issuer};
    state.crl = {sha256(document), {1, 0}, now, now + Seconds(3600), 7};
    state.fetched_at = now + Seconds(1);
    state.next_try = now + Seconds(2);
    state.failures = 3;
    state.failure = lifecycle::FailureRecord{ErrorCode::crl_unusable, "E-CRL-UNUSABLE no", now};
    state.told_at = now + Seconds(4);
    return state;
}

TEST_F(StoreTest, S17_version_6_is_brought_up_and_knows_no_CRLs) {
    IdentityState state = state_of_version_9();
    state.enrollment->envelope_key.reset();  // of version 8
    { ASSERT_TRUE(open().commit("web", "lab", state, {}, now)); }
    run_sql(tables_of_version_9);
    run_sql(
        "ALTER TABLE credentials DROP COLUMN crl; DROP TABLE crls; DROP TABLE crl_documents; DROP TABLE envelope_keys; "
        "PRAGMA user_version=6");
    Store store = open();
    EXPECT_EQ(*store.identity("web"), state);
    EXPECT_TRUE(store.crls("corp")->empty());
    EXPECT_TRUE(store.commit_crls("corp", {crl_state(1, Bytes{0x30})}, Bytes{0x30}, {}, now));
}

TEST_F(StoreTest, S17_X12_a_step_that_fails_leaves_the_version_before_it) {
    auto database = Database::open(directory_ / "pets.db");
    ASSERT_TRUE(database);
    ASSERT_TRUE(migrate(*database, pets_2));
    ASSERT_TRUE(database->execute("CREATE TABLE feed (y INTEGER)"));
    EXPECT_EQ(migrate(*database, pets_4).error().code(), ErrorCode::state_database);
    EXPECT_EQ(number(*database, "PRAGMA user_version"), 3);
    EXPECT_EQ(number(*database, "SELECT sum(legs) FROM pets"), 8) << "the failed step is undone as a whole";
    ASSERT_TRUE(database->execute("DROP TABLE feed"));
    EXPECT_TRUE(migrate(*database, pets_4));
}

TEST_F(StoreTest, a_key_that_is_not_ours_is_known_as_such_after_a_restart) {
    IdentityState state = full_state();
    state.current->key.adopted = true;
    ASSERT_TRUE(open().commit("web", "lab", state, {}, now));
    EXPECT_TRUE(open().identity("web")->current->key.adopted);
    EXPECT_EQ(*open().identity("web"), state);
}

/// What the state directory holds of the database.
std::string octets_in(const std::filesystem::path& folder) {
    std::string octets;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        octets += test::read_file(entry.path());
    }
    return octets;
}

TEST_F(StoreTest, what_was_deleted_is_not_on_the_disk_once_the_log_is_emptied) {
    Store store = open();
    IdentityState state = full_state();
    state.current->key.pem = "canary-of-a-wrapped-key";
    ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    ASSERT_THAT(octets_in(directory_ / "state"), HasSubstr("canary-of-a-wrapped-key"));
    state.current->key.pem.clear();
    {
        sqlite3* other = nullptr;
        ASSERT_EQ(sqlite3_open(database().c_str(), &other), SQLITE_OK);
        sqlite3_exec(other, "BEGIN; SELECT * FROM keys", nullptr, nullptr, nullptr);
        ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
        EXPECT_EQ(store.truncate_log().error().code(), ErrorCode::state_database) << "somebody reads it";
        sqlite3_close(other);
    }
    const Status emptied = store.truncate_log();
    EXPECT_TRUE(emptied) << emptied.error().line();
    EXPECT_THAT(octets_in(directory_ / "state"), Not(HasSubstr("canary-of-a-wrapped-key")));
}

TEST_F(StoreTest, S8_a_torn_database_is_an_error_and_not_an_empty_state) {
    { ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now)); }
    test::write_file(database(), test::read_file(database()).substr(0, 5000), 0600);
    auto store = Store::open(directory_ / "state", {});
    const bool refused = !store || !store->identity("web");
    EXPECT_TRUE(refused);
}

TEST_F(StoreTest, what_is_known_of_CRLs_survives) {
    const Bytes document{0x30, 0x00};
    lifecycle::CrlState bare;
    bare.issuer = {2};
    lifecycle::CrlState partition = bare;
    partition.scope = Bytes(32, 7);
    const std::vector<lifecycle::CrlState> states{crl_state(1, document), bare, partition};
    ASSERT_TRUE(open().commit_crls("corp", states, document, "a CRL is at hand", now));
    Store store = open();
    EXPECT_EQ(*store.crls("corp"), states);
    EXPECT_TRUE(store.crls("other")->empty());
    EXPECT_EQ(*store.crl_document(sha256(document)), document);
    EXPECT_TRUE(store.crl_document({1})->empty());
    EXPECT_EQ(store.history("authority", "corp", 1)->front().text, "a CRL is at hand");
}

TEST_F(StoreTest, a_CRL_of_16_MiB_survives_as_it_is) {
    Bytes document(std::size_t{16} << 20U);
    for (std::size_t i = 0; i < document.size(); i += 4096) {
        document[i] = static_cast<std::uint8_t>(i >> 12U);
    }
    ASSERT_TRUE(open().commit_crls("corp", {crl_state(1, document)}, document, {}, now));
    EXPECT_TRUE(*open().crl_document(sha256(document)) == document);
}

/// As the last step of versions to 8 left it: without distribution points.
constexpr const char* crls_of_version_8 = R"sql(
CREATE TABLE old (
    authority TEXT NOT NULL,
    issuer BLOB NOT NULL,
    digest BLOB NOT NULL, number BLOB NOT NULL,
    this_update INTEGER NOT NULL, next_update INTEGER, entries INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL, next_try INTEGER NOT NULL, failures INTEGER NOT NULL,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    told_at INTEGER,
    PRIMARY KEY (authority, issuer)
) STRICT;
INSERT INTO old SELECT authority, issuer, digest, number, this_update, next_update, entries, fetched_at, next_try,
    failures, error_name, error_line, error_at, told_at FROM crls;
DROP TABLE crls;
ALTER TABLE old RENAME TO crls;
PRAGMA user_version=8;
)sql";

// What version 8 knew of CRLs does not say of which distribution points they are, and of RAs it counts on (SIG-14).
TEST_F(StoreTest, S17_version_8_is_brought_up_and_knows_its_CRLs_by_a_scope_of_no_certificate) {
    const Bytes document{0x30, 0x00};
    lifecycle::CrlState failed;
    failed.issuer = {2};
    ASSERT_TRUE(open().commit_crls("corp", {crl_state(1, document), failed}, document, {}, now));
    run_sql(tables_of_version_9);
    run_sql(crls_of_version_8);
    Store store = open();
    lifecycle::CrlState kept = crl_state(1, document);
    kept.scope = {0};
    kept.failures = 0;
    kept.failure.reset();
    EXPECT_THAT(*store.crls("corp"), ElementsAre(kept)) << "and of what was never at hand nothing";
    EXPECT_EQ(*store.crl_document(sha256(document)), document);
}

TEST_F(StoreTest, S17_version_8_is_brought_up_and_keeps_the_published_CRL) {
    const Bytes document{0x30, 0x00};
    IdentityState state = state_of_version_9();
    state.current->crl = sha256(document);
    {
        Store store = open();
        ASSERT_TRUE(store.commit_crls("corp", {crl_state(1, document)}, document, {}, now));
        ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    }
    run_sql(tables_of_version_9);
    run_sql(crls_of_version_8);
    Store store = open();
    EXPECT_EQ(*store.identity("web"), state);
    EXPECT_TRUE(store.commit_crls("corp", {}, {}, {}, now));
    EXPECT_EQ(*store.crl_document(sha256(document)), document);
}

TEST_F(StoreTest, S17_S3_version_9_is_brought_up_and_knows_which_switch_may_not_be_durable) {
    IdentityState state = state_of_version_9();
    state.unproved = false;
    state.next->issued.leaf = {0x30, 2};
    IdentityState again = state_of_version_9();
    again.next->issued = again.current->issued;
    IdentityState in_order = again;
    in_order.publish_after = {};
    in_order.unproved = false;
    {
        Store store = open();
        ASSERT_TRUE(store.commit("waits", "lab", state, {}, now));
        ASSERT_TRUE(store.commit("failed", "lab", again, {}, now));
        ASSERT_TRUE(store.commit("first-try", "lab", in_order, {}, now));
    }
    run_sql(tables_of_version_9);
    Store store = open();
    EXPECT_EQ(*store.identity("waits"), state);
    EXPECT_EQ(*store.identity("failed"), again);
    EXPECT_EQ(*store.identity("first-try"), in_order);
}

TEST_F(StoreTest, a_CRL_is_kept_as_long_as_a_certificate_is_published_with_it) {
    const Bytes older{0x30, 0x01, 0x00};
    const Bytes newer{0x30, 0x01, 0x01};
    Store store = open();
    ASSERT_TRUE(store.commit_crls("corp", {crl_state(1, older)}, older, {}, now));
    IdentityState state = full_state();
    state.current->crl = sha256(older);
    ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    EXPECT_EQ(store.identity("web")->current->crl, sha256(older));
    ASSERT_TRUE(store.commit_crls("corp", {crl_state(1, newer)}, newer, {}, now));
    EXPECT_EQ(*store.crl_document(sha256(older)), older) << "it is published";
    EXPECT_TRUE(*store.publishes_crl(sha256(older)));
    EXPECT_FALSE(*store.publishes_crl(sha256(newer)));
    state.current->crl = sha256(newer);
    ASSERT_TRUE(store.commit("web", "lab", state, {}, now));
    ASSERT_TRUE(store.commit_crls("corp", {crl_state(1, newer)}, {}, {}, now));
    EXPECT_TRUE(store.crl_document(sha256(older))->empty());
    EXPECT_EQ(*store.crl_document(sha256(newer)), newer);
    ASSERT_TRUE(store.commit_crls("corp", {}, {}, {}, now));
    EXPECT_EQ(*store.crl_document(sha256(newer)), newer) << "it is published still";
}

TEST_F(StoreTest, rows_that_contradict_each_other_are_an_error_and_not_guessed_around) {
    for (const char* damage :
         {"DELETE FROM credentials WHERE slot='current'", "DELETE FROM certificates WHERE slot='shadow'",
          "DELETE FROM keys WHERE slot='current'", "DELETE FROM enrollments", "UPDATE identities SET phase=3"}) {
        std::filesystem::remove_all(directory_ / "state");
        { ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now)); }
        run_sql(damage);
        const auto state = open().identity("web");
        ASSERT_FALSE(state) << damage;
        EXPECT_EQ(state.error().code(), ErrorCode::state_database);
        EXPECT_THAT(state.error().line(), HasSubstr("web"));
    }
}

/// Somebody's own connection, as of sqlite3(1), in a transaction that writes.
class Locker {
 public:
    explicit Locker(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &connection_), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(connection_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    }
    Locker(const Locker&) = delete;
    Locker& operator=(const Locker&) = delete;
    ~Locker() { sqlite3_close(connection_); }

 private:
    sqlite3* connection_ = nullptr;
};

TEST_F(StoreTest, S10_invariant_8_a_database_that_somebody_else_has_locked_holds_the_loop_up_once_and_shortly) {
    Store store = open();
    const IdentityState state = full_state();
    const auto begun = std::chrono::steady_clock::now();
    {
        const Locker locker(database());
        for (int i = 0; i < 50; ++i) {
            const Status refused = store.commit("web", "lab", state, "noted", now);
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().code(), ErrorCode::state_database);
            EXPECT_THAT(refused.error().why(), HasSubstr("locked"));
            EXPECT_EQ(*store.identity("web"), IdentityState()) << "readers are not held up";
        }
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5)) << "of fifty commits together";
    EXPECT_TRUE(store.commit("web", "lab", state, "noted", now)) << "as soon as it is free";
    EXPECT_EQ(*store.identity("web"), state);
    EXPECT_THAT(*store.history("identity", "web", 10), testing::SizeIs(1));
}

/// As of a program that has the whole database to itself, so that nobody can read it either.
class Keeper {
 public:
    explicit Keeper(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &connection_), SQLITE_OK);
        run("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    }
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper() { sqlite3_close(connection_); }

 private:
    void run(const char* sql) {
        EXPECT_EQ(sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(connection_);
    }
    sqlite3* connection_ = nullptr;
};

TEST_F(StoreTest, S10_a_reader_that_has_waited_in_vain_waits_again_at_its_next_look) {
    { ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now)); }
    auto reader = Database::open_read_only(database());
    ASSERT_TRUE(reader);
    const auto look = [&] { return Statement(*reader, "SELECT COUNT(*) FROM identities").step(); };
    auto keeper = std::make_unique<Keeper>(database());
    EXPECT_FALSE(look());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    std::thread leaving([&] {
        std::this_thread::sleep_until(end);
        keeper.reset();
    });
    const auto seen = look();
    leaving.join();
    EXPECT_TRUE(seen) << seen.error().line();
}

TEST_F(StoreTest, S10_an_unusable_state_directory_is_named) {
    test::write_file(directory_ / "file", "");
    const auto store = Store::open(directory_ / "file" / "state", {});
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code(), ErrorCode::state_directory);
    EXPECT_THAT(store.error().line(), HasSubstr("file/state"));
}

}  // namespace
}  // namespace hwenroll::store
