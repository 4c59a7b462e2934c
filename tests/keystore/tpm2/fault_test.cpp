// A TPM that is full, locked out, cleared, exchanged, busy or away.
#include <filesystem>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>

#include "keystore/tpm2/connection.h"
#include "tests/keystore/tpm2/tpm_test.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::read_file;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class TpmFault : public TpmTest {
 protected:
    /// Lets the TPM refuse the counting key's value once, past Tpm2Token.
    void refuse_elsewhere() const {
        ::hwenroll::test::write_file(tpm_.directory() / "data", "data");
        EXPECT_NE(tpm_.tool({"tpm2_sign", "-Q", "-c", "0x81010001", "-p", "wrong", "-g", "sha256", "-o", "sig", "data"})
                      .exit_code,
                  0);
    }
};

TEST_F(TpmFault, P4_slots_that_a_killed_client_leaked_are_freed_at_the_start) {
    occupy_all_slots();
    const auto token = logged_in();
    const auto made = token->generate(KeySpec::ec_p256, key_id(1), "web");
    ASSERT_TRUE(made) << made.error().line();
    expect_signs(*token, made->key);
    expect_nothing_loaded();
}

TEST_F(TpmFault, P4_slots_that_are_taken_meanwhile_are_freed_once_they_are_missed) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    occupy_all_slots();
    expect_signs(*token, key);
    expect_nothing_loaded();
}

// P1: the wait and its end are told, nothing is reset, and the same token goes on afterwards.
TEST_F(TpmFault, P1_lockout_is_told_with_its_end_and_passes) {
    make_counting_key();
    const auto token = logged_in(with_auth("right"));
    const auto key = token->find(counting_id_).value()->key;
    for (int tries = 0; tries < 3; ++tries) {
        refuse_elsewhere();
    }
    for (int tries = 0; tries < 2; ++tries) {
        const auto refused = sign_text(*token, key, "data");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::token_lockout);
        EXPECT_THAT(refused.error().line(), HasSubstr("is locked out"));
        EXPECT_THAT(refused.error().line(), HasSubstr("in at most 1000 s"));
        EXPECT_EQ(refused.error().retry_after(), 1000s);
    }
    EXPECT_EQ(refusals(), 3);
    // Keys of our own do not care: they are made with noDA.
    EXPECT_TRUE(logged_in()->generate(KeySpec::ec_p256, key_id(1), "web"));
    tpm_.must({"tpm2_dictionarylockout", "-c"});
    expect_signs(*token, key);
}

// A TPM that loses its power after a key that counts was used takes it for a refusal (TPM 2.0 part 1 §19.8,
// "Non-orderly Shutdown").
TEST_F(TpmFault, P12_power_losses_lock_out_keys_that_count_and_cost_our_own_nothing) {
    make_counting_key();
    const auto key = logged_in()->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    ::hwenroll::test::write_file(tpm_.directory() / "data", "data");
    for (int losses = 0; losses < 3; ++losses) {
        tpm_.must({"tpm2_sign", "-Q", "-c", "0x81010001", "-p", "right", "-g", "sha256", "-o", "sig", "data"});
        tpm_.stop();
        tpm_.start();
    }
    EXPECT_EQ(refusals(), 3);
    const auto counting = logged_in(with_auth("right"));
    const auto locked = sign_text(*counting, counting->find(counting_id_).value()->key, "data");
    ASSERT_FALSE(locked);
    EXPECT_EQ(locked.error().code(), ErrorCode::token_lockout) << locked.error().line();
    expect_signs(*logged_in(), key);
    EXPECT_TRUE(logged_in()->generate(KeySpec::ec_p256, key_id(2), "web"));
}

// P2, invariant 6.
TEST_F(TpmFault, P2_T9_a_refused_value_is_given_to_its_key_once) {
    make_counting_key();
    Tpm2Options options = with_auth("wrong");
    const auto token = logged_in(options);
    const auto key = token->find(counting_id_).value()->key;
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_pin);
    EXPECT_THAT(refused.error().line(), Not(HasSubstr("wrong")));
    for (int tries = 0; tries < 5; ++tries) {
        EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_pin);
    }
    EXPECT_EQ(refusals(), 1);
    // A login with the unchanged file does not help either.
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_pin);
    EXPECT_EQ(refusals(), 1);

    auth_file("right");
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_login_lost);
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_operation);
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    expect_signs(*token, key);
}

TEST_F(TpmFault, T9_a_refused_value_of_a_command_is_given_to_its_key_once) {
    const auto key = logged_in(with_auth("right"))->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    ::hwenroll::test::write_file(tpm_.directory() / "command", "#!/bin/sh\necho wrong\n", 0700);
    Tpm2Options options = this->options();
    options.auth = "exec:" + (tpm_.directory() / "command").string();
    const auto token = logged_in(options);
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_pin);
    EXPECT_THAT(sign_text(*token, key, "data").error().line(), HasSubstr("before"));
    expect_nothing_loaded();
    EXPECT_EQ(refusals(), 0);
}

TEST_F(TpmFault, T9_a_refused_file_is_not_even_taken_if_history_says_so) {
    const auto token = token_with(with_auth("wrong"));
    const auto prepared = token->prepare_login();
    ASSERT_TRUE(prepared) << prepared.error().line();
    ASSERT_TRUE(prepared->source);
    LoginHistory history;
    history.refused = prepared->source;
    const LoginOutcome outcome = token->login(history);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin);
}

TEST_F(TpmFault, an_authorization_value_that_no_key_can_have_is_refused_before_it_is_used) {
    const auto made = logged_in(with_auth(std::string(33, 'x')))->generate(KeySpec::ec_p256, key_id(1), "web");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::token_pin_source);
    EXPECT_THAT(made.error().line(), Not(HasSubstr("xxx")));
}

TEST_F(TpmFault, P8_a_cleared_tpm_is_told_by_name) {
    const auto token = logged_in();
    const std::string serial = token->describe()->serial;
    const auto key = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    tpm_.must({"tpm2_clear"});
    for (const auto& error : {sign_text(*token, key, "data").error(), token->look_up(key).error()}) {
        EXPECT_EQ(error.code(), ErrorCode::token_changed);
        EXPECT_THAT(error.line(), HasSubstr("the TPM was cleared or is another one"));
    }
    EXPECT_NE(token->describe()->serial, serial);
    expect_signs(*token, token->generate(KeySpec::rsa_2048, key_id(2), "web")->key);
    expect_nothing_loaded();
}

TEST_F(TpmFault, P8_keys_of_persistent_handles_are_missing_in_a_cleared_tpm) {
    const auto token = logged_in(persistent_options());
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    tpm_.must({"tpm2_clear"});
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_key_missing);
    EXPECT_EQ(token->find(key_id(1)).value(), std::nullopt);
}

TEST_F(TpmFault, P10_another_tpm_is_told_by_name) {
    const auto token = logged_in();
    const std::string serial = token->describe()->serial;
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    tpm_.replace();
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_changed);
    EXPECT_THAT(refused.error().line(), HasSubstr("the TPM was cleared or is another one"));
    EXPECT_NE(token->describe()->serial, serial);
}

TEST_F(TpmFault, P11_a_state_that_was_set_back_lacks_the_key) {
    const auto state = tpm_.directory() / "state";
    const auto snapshot = tpm_.directory() / "snapshot";
    const auto persistent = logged_in(persistent_options());
    const auto blob = logged_in()->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    tpm_.stop();
    std::filesystem::copy(state, snapshot);
    tpm_.start();
    const auto key = persistent->generate(KeySpec::ec_p256, key_id(2), "web").value().key;
    tpm_.stop();
    std::filesystem::remove_all(state);
    std::filesystem::rename(snapshot, state);
    tpm_.start();
    EXPECT_EQ(sign_text(*persistent, key, "data").error().code(), ErrorCode::token_key_missing);
    expect_signs(*persistent, blob);
}

TEST_F(TpmFault, a_tpm_that_is_away_is_absent_and_used_when_it_comes_back) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    tpm_.stop();
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_absent);
    EXPECT_THAT(refused.error().line(), AllOf(HasSubstr("the TPM behind tcti '" + options().tcti + "' answers"),
                                              Not(HasSubstr("uri")), Not(HasSubstr("insert"))));
    tpm_.start();
    expect_signs(*token, key);
    Tpm2Options nowhere = options();
    nowhere.tcti = "device:/dev/no-such-tpm";
    EXPECT_EQ(token_with(nowhere)->describe().error().code(), ErrorCode::token_absent);
    nowhere.tcti = "no-such-tcti:x";
    EXPECT_EQ(token_with(nowhere)->describe().error().code(), ErrorCode::token_absent);
    EXPECT_THAT(token_with(nowhere)->describe().error().line(), HasSubstr("the TPM behind tcti 'no-such-tcti:x'"));
    nowhere.tcti = "tabrmd:bus_name=no.such.Manager";
    EXPECT_THAT(token_with(nowhere)->describe().error().line(),
                AllOf(HasSubstr("systemctl status tpm2-abrmd"), HasSubstr("group tss"), Not(HasSubstr("uri"))));
    EXPECT_THAT(tpm2::what_helps("device"), HasSubstr("ls -l /dev/tpmrm0"));
    EXPECT_THAT(tpm2::what_helps("device:/dev/tpm0"), HasSubstr("ls -l /dev/tpm0"));
}

TEST_F(TpmFault, T1_a_device_that_cannot_be_opened_is_named_with_the_cause_and_what_to_do) {
    Tpm2Options closed = options();
    closed.tcti = "device:/dev/no-such-tpm";
    EXPECT_THAT(token_with(closed)->describe().error().line(),
                AllOf(HasSubstr("/dev/no-such-tpm cannot be opened: No such file or directory"),
                      HasSubstr("BindPaths=/dev/no-such-tpm")));
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to become somebody who may not open it";
    }
    const hwenroll::test::TemporaryDirectory directory;
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    hwenroll::test::write_file(directory / "tpm", "", 0600);
    closed.tcti = "device:" + (directory / "tpm").string();
    ASSERT_EQ(::seteuid(65534), 0);
    const auto refused = token_with(closed)->describe();
    ASSERT_EQ(::seteuid(0), 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_absent);
    EXPECT_THAT(refused.error().line(),
                AllOf(HasSubstr("/tpm cannot be opened: Permission denied"), HasSubstr("SupplementaryGroups=tss")));
}

// P3: nothing of ours needs it, so nothing of ours can lock it.
TEST_F(TpmFault, P3_a_lockout_hierarchy_that_is_locked_does_not_matter) {
    tpm_.must({"tpm2_changeauth", "-c", "lockout", "secret"});
    EXPECT_NE(tpm_.tool({"tpm2_clear", "wrong"}).exit_code, 0);
    EXPECT_THAT(tpm_.tool({"tpm2_clear", "secret"}).err, HasSubstr("0x921"));
    const auto token = logged_in(persistent_options());
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    expect_signs(*token, key);
    EXPECT_TRUE(token->destroy(key_id(1)));
}

TEST_F(TpmFault, an_owner_with_an_authorization_value_is_an_error_and_not_the_keys) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    tpm_.must({"tpm2_changeauth", "-c", "owner", "secret"});
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_owner_auth);
    EXPECT_EQ(refusals(), 0);
}

// P2: the storage root key that was provisioned may count what it refuses.
TEST_F(TpmFault, P2_a_storage_root_key_with_an_authorization_value_is_asked_once) {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-p", "secret", "-c", "p.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "p.ctx", "0x81000001"});
    const auto token = logged_in();
    for (int tries = 0; tries < 5; ++tries) {
        const auto made = token->generate(KeySpec::ec_p256, key_id(1), "web");
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code(), ErrorCode::token_operation);
        EXPECT_TRUE(tries == 0 || made.error().why() == "it has an authorization value") << made.error().line();
    }
    EXPECT_EQ(refusals(), 1);
    expect_nothing_loaded();
}

/// Behind the TCTI that answers in the TPM's place (tcti_shim.cpp).
class ShimmedTpm : public TpmFault {
 protected:
    void SetUp() override {
        log_ = tpm_.directory() / "commands";
        setenv("HWENROLL_TCTI_LOG", log_.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    }
    void TearDown() override {
        unsetenv("HWENROLL_TCTI_LOG");   // NOLINT(concurrency-mt-unsafe)
        unsetenv("HWENROLL_TCTI_RULE");  // NOLINT(concurrency-mt-unsafe)
    }

    /// From here on the first `times` commands `code` are answered with `response`.
    void script(unsigned code, unsigned response, unsigned times) {
        std::filesystem::remove(log_);
        std::ostringstream rule;
        rule << std::hex << code << '=' << response << '*' << std::dec << times;
        setenv("HWENROLL_TCTI_RULE", rule.str().c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    }

    /// How often the command was sent since script().
    [[nodiscard]] int sent(unsigned code) const {
        std::istringstream log(std::filesystem::exists(log_) ? read_file(log_) : "");
        int count = 0;
        for (std::string line; std::getline(log, line);) {
            count += std::stoul(line, nullptr, 16) == code ? 1 : 0;
        }
        return count;
    }

    [[nodiscard]] Tpm2Options shimmed(Tpm2Options options) const {
        options.tcti = hwenroll::test::module("libhwenroll-tcti-shim.so") + ":" + options.tcti;
        return options;
    }
    [[nodiscard]] Tpm2Options shimmed() const { return shimmed(options()); }

    // TPM 2.0 part 2 §6.5.2.
    static constexpr unsigned evict_control = 0x120;
    static constexpr unsigned create_primary = 0x131;
    static constexpr unsigned create = 0x153;
    static constexpr unsigned load = 0x157;
    static constexpr unsigned sign = 0x15D;
    static constexpr unsigned flush_context = 0x165;
    static constexpr unsigned start_session = 0x176;

    std::filesystem::path log_;
};

struct Busy {
    const char* name;
    unsigned response;
};

class BusyTpm : public ShimmedTpm, public ::testing::WithParamInterface<Busy> {};

// ESYS repeats five times by itself, without a pause.
TEST_P(BusyTpm, P7_is_called_again_and_again) {
    const auto token = logged_in(shimmed());
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    script(sign, GetParam().response, 12);
    expect_signs(*token, key);
    EXPECT_EQ(sent(sign), 13);
    script(create_primary, GetParam().response, 2);
    expect_signs(*token, key);
}

TEST_P(BusyTpm, P7_is_given_up_after_half_the_deadline) {
    Tpm2Options impatient = shimmed();
    impatient.deadlines.use = 100ms;
    const auto token = logged_in(impatient);
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    script(sign, GetParam().response, 100000);
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(refused.error().why(), HasSubstr("Esys_Sign"));
    EXPECT_LE(sent(sign), 40);
    script(sign, 0, 0);
    expect_signs(*token, key);
    expect_nothing_loaded();
}

INSTANTIATE_TEST_SUITE_P(Responses, BusyTpm,
                         ::testing::Values(Busy{"retry", 0x922}, Busy{"yielded", 0x908}, Busy{"testing", 0x90A},
                                           Busy{"canceled", 0x909}, Busy{"nv_rate", 0x920}),
                         [](const auto& test) { return test.param.name; });

TEST_F(ShimmedTpm, P4_P5_room_is_made_once_and_the_operation_repeated_once) {
    const auto token = logged_in(shimmed());
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    for (const unsigned response : {0x902U, 0x903U, 0x904U, 0x905U, 0x901U}) {
        script(start_session, response, 1);
        expect_signs(*token, key);
        EXPECT_EQ(sent(start_session), 2) << std::hex << response;
    }
    script(load, 0x902, 100);
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(refused.error().why(), HasSubstr("out of memory for object contexts"));
    EXPECT_EQ(sent(load), 2);
    expect_nothing_loaded();
}

TEST_F(ShimmedTpm, what_a_failed_flush_leaves_is_flushed_by_the_next_operation) {
    const auto token = logged_in(shimmed());
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    script(flush_context, 0x101, 3);
    expect_signs(*token, key);
    EXPECT_NE(handles("handles-transient"), "");
    expect_signs(*token, key);
    expect_nothing_loaded();
}

// Every command of a generation fails once; nothing stays, and the same id can be used afterwards.
TEST_F(ShimmedTpm, a_generation_that_fails_anywhere_leaves_nothing) {
    const auto token = logged_in(shimmed(persistent_options()));
    for (const unsigned command : {create_primary, start_session, create, load, evict_control}) {
        script(command, 0x101, 1);
        const auto made = token->generate(KeySpec::ec_p256, key_id(1), "web");
        ASSERT_FALSE(made) << std::hex << command;
        EXPECT_EQ(made.error().code(), ErrorCode::token_operation);
        expect_nothing_loaded();
        EXPECT_EQ(handles("handles-persistent"), "");
    }
    script(evict_control, 0x14B, 1);
    EXPECT_EQ(token->generate(KeySpec::ec_p256, key_id(1), "web").error().code(), ErrorCode::token_full);
    EXPECT_TRUE(token->generate(KeySpec::ec_p256, key_id(1), "web"));
}

// P15: another program was faster.
TEST_F(ShimmedTpm, P15_a_handle_that_was_just_taken_is_passed_over) {
    const auto token = logged_in(shimmed(persistent_options()));
    script(evict_control, 0x14C, 1);
    const auto made = token->generate(KeySpec::ec_p256, key_id(1), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_EQ(made->uri, "handle:0x81000011");
}

// A TPM without SHA-512, say, signs all the same.
TEST_F(ShimmedTpm, a_hash_that_the_tpm_lacks_is_padded_in_software) {
    const auto token = logged_in(shimmed());
    const auto key = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    script(sign, 0x2C3, 1);
    expect_signs(*token, key);
    EXPECT_EQ(sent(sign), 1);
}

TEST_F(ShimmedTpm, a_use_is_one_session_one_parent_and_one_key) {
    const auto token = logged_in(shimmed());
    const auto key = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    script(0, 0, 0);
    ASSERT_TRUE(token->decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, "content key")));
    EXPECT_EQ(sent(start_session), 1);
    EXPECT_EQ(sent(load), 1);
    EXPECT_EQ(sent(create_primary), 1);
    EXPECT_EQ(sent(flush_context), 3);
}

// Invariant 7: neither authorization values nor what was opened, though the public key is there to be seen.
TEST_F(ShimmedTpm, no_secret_is_in_the_clear_on_the_way_to_the_tpm) {
    const auto trace = tpm_.directory() / "trace";
    setenv("HWENROLL_TCTI_TRACE", trace.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    const auto token = logged_in(shimmed(with_auth("canary-4711")));
    const auto key = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    const auto plain =
        token->decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, "a content key that nobody sees"));
    const auto ec = token->generate(KeySpec::ec_p256, key_id(2), "web").value().key;
    const auto secret = token->agree(ec, ec.public_key);
    unsetenv("HWENROLL_TCTI_TRACE");  // NOLINT(concurrency-mt-unsafe)
    ASSERT_TRUE(plain) << plain.error().line();
    ASSERT_TRUE(secret) << secret.error().line();
    const std::string seen = read_file(trace);
    EXPECT_THAT(seen, HasSubstr(std::string(as_text(ByteView(key.public_key.spki()).subspan(100, 64)))));
    EXPECT_THAT(seen, Not(HasSubstr("canary-4711")));
    EXPECT_THAT(seen, Not(HasSubstr("a content key that nobody sees")));
    EXPECT_THAT(seen, Not(HasSubstr(std::string(as_text(secret->reveal())))));
}

}  // namespace
}  // namespace hwenroll::keystore::test
