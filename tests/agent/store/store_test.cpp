// state.db: what is committed comes back, and only one process writes (design, "State and published files").
#include "agent/store/store.h"

#include <cstdlib>
#include <sys/stat.h>

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
    return transaction;
}

lifecycle::IssuedRecord issued() {
    return {{0x30, 1}, {{0x31}, {0x32}}, {{0x33}, {0x34}}, now, now + Seconds(1000)};
}

/// A state with every field set.
IdentityState full_state() {
    IdentityState state;
    state.phase = Phase::pending;
    state.enrollment = lifecycle::Enrollment{{Bytes(16, 1), {2, 2}}, {12, 0}, transaction(), {}};
    state.current = lifecycle::Credential{{Bytes(16, 8), {9}}, issued(), 4, now};
    state.wait = {lifecycle::WaitingFor::ca, now + Seconds(60)};
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

    test::TemporaryDirectory directory_;
};

TEST_F(StoreTest, an_unknown_identity_has_the_initial_state) {
    EXPECT_EQ(*open().identity("web"), IdentityState{});
}

TEST_F(StoreTest, every_field_of_an_identity_comes_back_after_a_restart) {
    ASSERT_TRUE(open().commit("web", "lab", full_state(), "note", now));
    EXPECT_EQ(*open().identity("web"), full_state());
}

TEST_F(StoreTest, an_issued_enrollment_and_a_hold_come_back) {
    IdentityState publishing;
    publishing.phase = Phase::need_publish;
    publishing.enrollment = lifecycle::Enrollment{{Bytes(16, 1), {2}}, {12}, transaction(), issued()};
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

TEST_F(StoreTest, a_commit_replaces_the_whole_state) {
    Store store = open();
    ASSERT_TRUE(store.commit("web", "lab", full_state(), {}, now));
    IdentityState next;
    next.phase = Phase::need_key;
    next.enrollment = lifecycle::Enrollment{{Bytes(16, 3), {}}, {}, {}, {}};
    ASSERT_TRUE(store.commit("web", "lab", next, {}, now));
    EXPECT_EQ(*store.identity("web"), next);
    EXPECT_THAT(*store.key_ids("lab"), ElementsAre(Bytes(16, 3)));
    EXPECT_TRUE(store.key_ids("other")->empty());
}

TEST_F(StoreTest, an_authority_comes_back_after_a_restart) {
    lifecycle::AuthorityState state;
    state.phase = lifecycle::AuthorityPhase::trusted;
    state.current = lifecycle::AuthorityRecord{3, "AES", {{1, 2}, {3}}, Bytes(32, 4), now};
    state.failure = lifecycle::FailureRecord{ErrorCode::ca_http, "line", now};
    ASSERT_TRUE(open().commit("corp", state, "trusted", now));
    EXPECT_EQ(*open().authority("corp"), state);
    EXPECT_EQ(*open().authority("other"), lifecycle::AuthorityState{});
}

TEST_F(StoreTest, invariant_6_the_record_of_a_login_comes_back_after_a_restart) {
    const LoginRecord record{LoginRecordOutcome::refused, now,         2,
                             PinFile{1, 2, 3, -4, 5},     "file:/pin", "pkcs11:serial=1"};
    ASSERT_TRUE(open().commit("lab", record, "refused", now));
    EXPECT_EQ(*open().login("lab"), record);
    EXPECT_EQ(*open().login("other"), LoginRecord{});
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
    EXPECT_EQ(*store.login("lab"), LoginRecord{});
    EXPECT_EQ(*store.login("other"), other);
    EXPECT_EQ(store.history("token", "renamed", 1)->front().text, "resumed");
}

TEST_F(StoreTest, history_is_kept_newest_first_within_its_bounds) {
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
    ASSERT_TRUE(store->commit("web", "lab", IdentityState{}, "late", now + Seconds(5000)));
    EXPECT_EQ(store->history("identity", "web", 10)->size(), 1U) << "older than keep";
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

TEST_F(StoreTest, a_database_of_a_newer_version_is_left_alone) {
    open();
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(database().c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(raw);
    const auto store = Store::open(directory_ / "state", {});
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code(), ErrorCode::state_version);
}

TEST_F(StoreTest, a_key_that_is_not_ours_is_known_as_such_after_a_restart) {
    IdentityState state = full_state();
    state.current->key.adopted = true;
    ASSERT_TRUE(open().commit("web", "lab", state, {}, now));
    EXPECT_TRUE(open().identity("web")->current->key.adopted);
    EXPECT_EQ(*open().identity("web"), state);
}

TEST_F(StoreTest, a_database_of_version_1_is_brought_up_with_its_keys_as_ours) {
    ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now));
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(database().c_str(), &raw), SQLITE_OK);
    EXPECT_EQ(
        sqlite3_exec(raw, "ALTER TABLE keys DROP COLUMN adopted; PRAGMA user_version=1", nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(raw);
    EXPECT_EQ(*open().identity("web"), full_state());
}

TEST_F(StoreTest, S8_a_torn_database_is_an_error_and_not_an_empty_state) {
    { ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now)); }
    test::write_file(database(), test::read_file(database()).substr(0, 5000), 0600);
    auto store = Store::open(directory_ / "state", {});
    const bool refused = !store || !store->identity("web");
    EXPECT_TRUE(refused);
}

TEST_F(StoreTest, rows_that_contradict_each_other_are_an_error_and_not_guessed_around) {
    { ASSERT_TRUE(open().commit("web", "lab", full_state(), {}, now)); }
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(database().c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, "DELETE FROM transactions", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(raw);
    const auto state = open().identity("web");
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code(), ErrorCode::state_database);
    EXPECT_THAT(state.error().line(), HasSubstr("web"));
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
