// A token behind hwenroll-token: the whole contract on SoftHSM2, and every way a worker can fail (T2, T3, T9;
// invariants 6, 7 and 8). The fault shim stands between hwenroll-token and SoftHSM2.
#include "keystore/worker/worker_token.h"

#include <atomic>
#include <csignal>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/keystore/worker/worker_fixture.h"

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;
using testing::Not;

bool runs(pid_t pid) {
    return pid > 0 && kill(pid, 0) == 0;
}

/// DER DigestInfo of a SHA-256 value (RFC 8017 §9.2), as CKM_RSA_PKCS wants it.
Bytes digest_info(ByteView message) {
    Bytes info = *from_hex("3031300d060960864801650304020105000420");
    const Bytes digest = sha256(message);
    info.insert(info.end(), digest.begin(), digest.end());
    return info;
}

bool verifies(const PublicKey& key, ByteView message, ByteView signature) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

Bytes encrypt(const PublicKey& key, ByteView plain) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
    Bytes out(1024);
    std::size_t size = out.size();
    EXPECT_EQ(EVP_PKEY_encrypt_init(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_encrypt(context.get(), out.data(), &size, plain.data(), plain.size()), 1);
    out.resize(size);
    return out;
}

using WorkerTokenTest = WorkerFixture;

TEST_F(WorkerTokenTest, does_all_a_token_does) {
    const auto token = this->token();
    EXPECT_EQ(token->worker_pid(), -1);
    const auto description = token->describe();
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_EQ(description->label, "lab");
    EXPECT_TRUE(description->login_required);
    EXPECT_FALSE(token->logged_in());
    const auto login = try_login(*token);
    ASSERT_EQ(login.result, LoginOutcome::Result::accepted) << login.error->line();
    EXPECT_TRUE(login.source);
    EXPECT_TRUE(token->logged_in());

    const auto made = token->generate(KeySpec::rsa_2048, key_id_, "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_TRUE(made->protection.confined());
    EXPECT_EQ(made->key.id, key_id_);
    EXPECT_EQ(made->label, "web");
    const auto found = token->find(key_id_);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->key.public_key, made->key.public_key);
    EXPECT_FALSE(*token->find(KeyId{{1}}));
    EXPECT_EQ(token->list_keys()->size(), 1U);

    const auto signature = token->sign(made->key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(made->key.public_key, message_, *signature));
    const auto plain =
        token->decrypt(made->key, DecryptMechanism::rsa_pkcs1, encrypt(made->key.public_key, as_bytes("content key")));
    ASSERT_TRUE(plain) << plain.error().line();
    EXPECT_EQ(as_text(plain->reveal()), "content key");

    ASSERT_TRUE(token->destroy(key_id_));
    EXPECT_FALSE(*token->find(key_id_));
    EXPECT_TRUE(token->list_keys()->empty());
}

// Design, "Keys stay on the device": a PIN does not stay in a worker that has no login to make.
TEST_F(WorkerTokenTest, a_login_that_is_abandoned_ends_the_worker_that_has_read_the_pin) {
    const auto token = this->token();
    ASSERT_TRUE(token->prepare_login());
    const pid_t worker = token->worker_pid();
    ASSERT_TRUE(runs(worker));
    token->abandon_login();
    EXPECT_FALSE(runs(worker));
    EXPECT_EQ(token->worker_pid(), -1);
    EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::accepted) << "in a new worker";
}

TEST_F(WorkerTokenTest, does_with_an_ec_key_what_a_token_does) {
    const auto token = this->token();
    log_in(*token);
    const auto made = token->generate(KeySpec::ec_p384, key_id_, "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_TRUE(made->protection.confined());
    EXPECT_TRUE(made->can_derive);
    EXPECT_FALSE(made->can_decrypt);
    EXPECT_EQ(made->key.public_key.text(), "EC P-384");
    const auto keys = token->list_keys();
    ASSERT_TRUE(keys) << keys.error().line();
    ASSERT_EQ(keys->size(), 1U);
    EXPECT_EQ(keys->front().key.public_key, made->key.public_key);
    const auto signature = token->sign(made->key, SignMechanism::ecdsa, sha256(message_));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(made->key.public_key, message_, *signature));
    const auto plain = token->decrypt(made->key, DecryptMechanism::rsa_pkcs1, Bytes(256, 1));
    ASSERT_FALSE(plain);
    EXPECT_THAT(plain.error().line(), HasSubstr("a key of kind EC P-384 cannot decrypt"));
    ASSERT_TRUE(token->destroy(key_id_));
    EXPECT_TRUE(token->list_keys()->empty());
}

TEST_F(WorkerTokenTest, passes_on_the_tokens_own_errors_and_keeps_its_worker) {
    const auto key = make_key();
    const auto token = this->token();
    log_in(*token);
    const pid_t worker = token->worker_pid();
    const auto again = token->generate(KeySpec::rsa_2048, key_id_, "web");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::token_key_mismatch);
    const auto missing = token->sign({KeyId{{1}}, key.public_key}, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::token_key_missing);
    EXPECT_EQ(token->worker_pid(), worker);
    EXPECT_TRUE(token->logged_in());
}

TEST_F(WorkerTokenTest, needs_a_login_for_keys) {
    const auto token = this->token();
    const auto keys = token->list_keys();
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code(), ErrorCode::token_operation);
    EXPECT_THAT(keys.error().line(), HasSubstr("token 'lab' is not logged in"));
    EXPECT_EQ(token->worker_pid(), -1);
}

TEST_F(WorkerTokenTest, T2_a_crash_while_signing_costs_only_the_worker) {
    const auto key = make_key();
    const auto token = this->token("C_Sign:1:crash");
    log_in(*token);
    const pid_t crashed = token->worker_pid();
    auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(signature.error().line(), HasSubstr("'lab' ended while signing (it ended by SIGSEGV)"));
    EXPECT_FALSE(runs(crashed));
    EXPECT_FALSE(token->logged_in());

    signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_FALSE(signature) << "it must not log in by itself";
    EXPECT_EQ(signature.error().code(), ErrorCode::token_operation);
    EXPECT_EQ(calls("C_Login"), 1U);

    log_in(*token);
    EXPECT_NE(token->worker_pid(), crashed);
    signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key.public_key, message_, *signature));
}

TEST_F(WorkerTokenTest, T2_a_crash_in_any_call_is_reported) {
    const auto key = make_key();
    for (const auto* function : {"C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession", "C_Login",
                                 "C_FindObjectsInit", "C_FindObjects", "C_GetAttributeValue", "C_SignInit", "C_Sign"}) {
        std::filesystem::remove(log_);
        const auto token = this->token(fmt::format("{}:1:crash", function));
        const auto outcome = try_login(*token);
        const auto error =
            outcome.error ? outcome.error
                          : std::optional(token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_)).error());
        ASSERT_TRUE(error) << function;
        EXPECT_EQ(error->code(), ErrorCode::token_worker) << function << ": " << error->line();
        EXPECT_EQ(token->worker_pid(), -1) << function;
    }
}

TEST_F(WorkerTokenTest, T2_a_crash_while_logging_in_leaves_the_outcome_unknown) {
    const auto token = this->token("C_Login:1:crash");
    const auto outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::unknown);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_worker);
    EXPECT_FALSE(token->logged_in());
    EXPECT_EQ(token->login({}).result, LoginOutcome::Result::not_tried) << "a new worker has no prepared login";
    EXPECT_EQ(try_login(*token, {std::nullopt, false, true}).result, LoginOutcome::Result::accepted) << "one repeat";
}

TEST_F(WorkerTokenTest, T2_a_crash_before_C_Login_is_no_login) {
    for (const auto* function : {"C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_OpenSession"}) {
        std::filesystem::remove(log_);
        const auto token = this->token(fmt::format("{}:1:crash", function));
        const auto prepared = token->prepare_login();
        ASSERT_FALSE(prepared) << function;
        EXPECT_EQ(prepared.error().code(), ErrorCode::token_worker) << function;
        EXPECT_EQ(token->login({}).result, LoginOutcome::Result::not_tried) << function;
        EXPECT_EQ(calls("C_Login"), 0U) << function;
    }
}

TEST_F(WorkerTokenTest, T8_every_login_has_a_worker_of_its_own) {
    const auto token = this->token();
    log_in(*token);
    const pid_t first = token->worker_pid();
    log_in(*token);
    const pid_t second = token->worker_pid();
    EXPECT_NE(second, first);
    ASSERT_TRUE(token->describe());
    log_in(*token);
    EXPECT_NE(token->worker_pid(), second);
}

struct LostLogin {
    const char* name;
    const char* rule;
};

void PrintTo(const LostLogin& lost, std::ostream* out) {
    *out << lost.rule;
}

class LostLoginTest : public WorkerFixture, public testing::WithParamInterface<LostLogin> {};

// T5, T8, T13: TokenAccess asks logged_in() whether the next use needs a login.
TEST_P(LostLoginTest, ends_the_worker_so_that_the_next_login_starts_anew) {
    const auto key = make_key();
    const auto token = this->token(GetParam().rule);
    log_in(*token);
    const auto lost = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), ErrorCode::token_login_lost) << lost.error().line();
    EXPECT_FALSE(token->logged_in());
    EXPECT_EQ(token->worker_pid(), -1);
    log_in(*token);
    const auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    ASSERT_TRUE(signature) << signature.error().line();
    EXPECT_TRUE(verifies(key.public_key, message_, *signature));
    EXPECT_EQ(calls("C_Login"), 2U);
}

INSTANTIATE_TEST_SUITE_P(T5_T8_T13, LostLoginTest,
                         testing::Values(LostLogin{"closed_for_good", "C_SignInit:1:rv=0xb0,C_OpenSession:2:rv=0xb3"},
                                         LostLogin{"not_initialised", "C_SignInit:1:rv=0x190"},
                                         LostLogin{"logged_out", "C_SignInit:1:logout"},
                                         LostLogin{"logged_out_before_the_search", "C_FindObjectsInit:1:logout"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(WorkerTokenTest, signals_to_the_service_do_not_end_a_worker_in_a_call) {
    options_.deadlines.use = 1500ms;
    const auto token = this->token("C_GetSlotList:1:hang");
    std::thread caller([&] {
        const auto described = token->describe();
        ASSERT_FALSE(described);
        EXPECT_EQ(described.error().code(), ErrorCode::token_deadline) << described.error().line();
    });
    while (calls("C_GetSlotList") == 0) {
        std::this_thread::yield();
    }
    for (const int number : {SIGTERM, SIGQUIT, SIGINT, SIGHUP, SIGABRT}) {
        EXPECT_EQ(kill(token->worker_pid(), number), 0);
    }
    caller.join();
}

TEST_F(WorkerTokenTest, a_worker_has_no_part_in_the_agents_terminal) {
    const auto token = this->token("");
    ASSERT_TRUE(token->describe());
    EXPECT_EQ(getsid(token->worker_pid()), token->worker_pid()) << "a session of its own, without a terminal";
}

TEST_F(WorkerTokenTest, T2_three_crashes_in_a_row_stop_it) {
    const auto key = make_key();
    const auto token = this->token("C_Sign:*:crash");
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(token->describe());
        log_in(*token);
        EXPECT_FALSE(token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_)));
    }
    const auto described = token->describe();
    ASSERT_FALSE(described);
    EXPECT_EQ(described.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(described.error().what(), HasSubstr("3 times in a row"));
    const auto outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(calls("C_Sign"), 3U);
    EXPECT_EQ(token->worker_pid(), -1);
}

TEST_F(WorkerTokenTest, T2_a_success_between_crashes_counts_from_zero) {
    const auto key = make_key();
    const auto token = this->token("C_Sign:1:crash,C_Sign:3:crash,C_Sign:5:crash,C_Sign:7:crash");
    for (int round = 0; round < 4; ++round) {
        log_in(*token);
        EXPECT_FALSE(token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_)));
        log_in(*token);
        EXPECT_TRUE(token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_)));
    }
}

TEST_F(WorkerTokenTest, T3_a_hang_while_signing_ends_at_the_deadline) {
    const auto key = make_key();
    options_.deadlines.use = 300ms;
    const auto token = this->token("C_Sign:1:hang");
    log_in(*token);
    const pid_t hung = token->worker_pid();
    const auto begin = steady_clock::now();
    const auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
    const auto took = steady_clock::now() - begin;
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().code(), ErrorCode::token_deadline);
    EXPECT_THAT(signature.error().line(), HasSubstr("token 'lab' did not answer within its deadline while signing"));
    EXPECT_GE(took, 300ms);
    EXPECT_LT(took, 2s);
    EXPECT_FALSE(runs(hung));
    EXPECT_EQ(token->worker_pid(), -1);
}

TEST_F(WorkerTokenTest, T3_a_hang_while_logging_in_or_loading_ends_at_the_deadline) {
    // Long enough to start a worker on a busy machine.
    options_.deadlines.login = 1500ms;
    for (const auto* function : {"C_Login", "C_Initialize"}) {
        std::filesystem::remove(log_);
        const auto token = this->token(fmt::format("{}:1:hang", function));
        const auto begin = steady_clock::now();
        const auto outcome = try_login(*token);
        EXPECT_LT(steady_clock::now() - begin, 4s);
        EXPECT_EQ(outcome.result,
                  calls("C_Login") == 0 ? LoginOutcome::Result::not_tried : LoginOutcome::Result::unknown)
            << function << ": what hangs before C_Login has used no PIN";
        ASSERT_TRUE(outcome.error);
        EXPECT_EQ(outcome.error->code(), ErrorCode::token_deadline);
        EXPECT_EQ(token->worker_pid(), -1);
    }
}

TEST_F(WorkerTokenTest, T3_a_stopped_worker_is_killed_by_the_agent) {
    options_.deadlines.use = 1500ms;
    const auto token = this->token();
    ASSERT_TRUE(token->describe());
    const pid_t stopped = token->worker_pid();
    ASSERT_EQ(kill(stopped, SIGSTOP), 0);
    // kill(2) does not wait for the threads of the other process: one of them could still answer.
    siginfo_t state{};
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(stopped), &state, WSTOPPED | WNOWAIT), 0);
    const auto description = token->describe();
    ASSERT_FALSE(description);
    EXPECT_EQ(description.error().code(), ErrorCode::token_deadline);
    EXPECT_FALSE(runs(stopped));
    EXPECT_TRUE(token->describe()) << "in a new worker";
}

TEST_F(WorkerTokenTest, T3_a_hang_at_the_end_does_not_hold_up_the_owner) {
    auto token = this->token("C_Finalize:*:hang,C_CloseSession:*:hang,C_Logout:*:hang,C_CloseAllSessions:*:hang");
    log_in(*token);
    const pid_t worker = token->worker_pid();
    const auto begin = steady_clock::now();
    token.reset();
    EXPECT_LT(steady_clock::now() - begin, 5s);
    EXPECT_FALSE(runs(worker));
}

TEST_F(WorkerTokenTest, T2_a_killed_worker_is_reported_and_replaced) {
    const auto token = this->token();
    ASSERT_TRUE(token->describe());
    const pid_t killed = token->worker_pid();
    ASSERT_EQ(kill(killed, SIGKILL), 0);
    const auto description = token->describe();
    ASSERT_FALSE(description);
    EXPECT_EQ(description.error().code(), ErrorCode::token_worker);
    EXPECT_THAT(description.error().line(), HasSubstr("SIGKILL"));
    EXPECT_TRUE(token->describe());
    EXPECT_NE(token->worker_pid(), killed);
}

TEST_F(WorkerTokenTest, calls_of_several_threads_take_turns) {
    const auto key = make_key();
    const auto token = this->token();
    log_in(*token);
    std::vector<std::thread> threads;
    threads.reserve(4);
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 10; ++round) {
                const auto signature = token->sign(key, SignMechanism::rsa_pkcs1, digest_info(message_));
                good += signature && verifies(key.public_key, message_, *signature) ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(good, 40);
}

// Invariant 6: one attempt per refused PIN value.
TEST_F(WorkerTokenTest, T9_a_refused_pin_is_tried_once) {
    options_.pin = softhsm_.pin_file("wrong-canary", "wrong");
    const auto token = this->token();
    const auto first = try_login(*token);
    EXPECT_EQ(first.result, LoginOutcome::Result::refused);
    ASSERT_TRUE(first.error && first.source);
    EXPECT_EQ(first.error->code(), ErrorCode::token_pin);
    EXPECT_FALSE(token->logged_in());
    EXPECT_EQ(calls("C_Login"), 1U);

    const auto second = try_login(*token, {first.source, false, false});
    EXPECT_EQ(second.result, LoginOutcome::Result::not_tried);
    ASSERT_TRUE(second.error);
    EXPECT_EQ(second.error->code(), ErrorCode::token_pin);
    EXPECT_EQ(calls("C_Login"), 1U);
    EXPECT_THAT(first.error->line() + second.error->line(), Not(HasSubstr("canary")));

    softhsm_.pin_file(canary_pin, "wrong");
    EXPECT_EQ(try_login(*token, {first.source, false, false}).result, LoginOutcome::Result::accepted)
        << "the file changed";
}

TEST_F(WorkerTokenTest, T9_a_pin_that_cannot_be_read_is_not_tried) {
    const std::filesystem::path path = softhsm_.directory() / "pin";
    options_.pin = "file:" + path.string();
    const auto expect_unread = [this](const std::string& why) {
        const auto outcome = try_login(*token());
        EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried) << why;
        ASSERT_TRUE(outcome.error) << why;
        EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin_source);
        EXPECT_THAT(outcome.error->line(), HasSubstr(why));
        EXPECT_THAT(outcome.error->line(), Not(HasSubstr("canary")));
    };
    test::write_file(path, canary_pin, 0644);
    expect_unread("0644");
    test::write_file(path, "", 0600);
    expect_unread("empty");
    test::write_file(path, std::string(256, 'c'), 0600);
    expect_unread("more than 255");
    std::filesystem::remove(path);
    expect_unread("No such file");
    EXPECT_EQ(calls("C_Initialize"), 0U) << "vendor code ran although there was no PIN";
}

TEST_F(WorkerTokenTest, a_pin_command_serves_too) {
    const std::filesystem::path path = softhsm_.directory() / "command";
    test::write_file(path, fmt::format("#!/bin/sh\necho {}\n", canary_pin), 0700);
    options_.pin = "exec:" + path.string();
    log_in(*token());
    test::write_file(path, "#!/bin/sh\nexit 1\n", 0700);
    const auto failed = try_login(*token());
    EXPECT_EQ(failed.result, LoginOutcome::Result::not_tried);
    EXPECT_EQ(failed.error->code(), ErrorCode::token_pin_source);
}

TEST_F(WorkerTokenTest, a_child_refuses_credentials) {
    ASSERT_EQ(setenv("CREDENTIALS_DIRECTORY", softhsm_.directory().path().c_str(), 1), 0);
    options_.pin = "credential:pin";
    const auto outcome = try_login(*token());
    unsetenv("CREDENTIALS_DIRECTORY");
    EXPECT_EQ(outcome.result, LoginOutcome::Result::not_tried);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code(), ErrorCode::token_pin_source);
    EXPECT_EQ(calls("C_Login"), 0U);
}

TEST_F(WorkerTokenTest, missing_module_and_absent_token_are_named) {
    options_.uri = test::SoftHsm::token_uri("other");
    const auto absent = token()->describe();
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), ErrorCode::token_absent);
    options_.module = "/nonexistent/module.so";
    const auto missing = token()->describe();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::token_module);
    EXPECT_THAT(missing.error().line(), HasSubstr("/nonexistent/module.so"));
}

// Invariant 7.
TEST_F(WorkerTokenTest, the_pin_is_in_neither_arguments_nor_environment) {
    const auto token = this->token();
    log_in(*token);
    const std::string process = fmt::format("/proc/{}/", token->worker_pid());
    const std::string arguments = test::read_file(process + "cmdline");
    EXPECT_THAT(arguments, HasSubstr("--fd"));
    EXPECT_THAT(arguments, Not(HasSubstr(canary_pin)));
    if (access((process + "environ").c_str(), R_OK) == 0) {
        EXPECT_THAT(test::read_file(process + "environ"), Not(HasSubstr(canary_pin)));
    }
}

TEST_F(WorkerTokenTest, the_worker_inherits_no_descriptor_and_writes_no_core) {
    const int canary = memfd_create("canary-file", 0);
    const auto token = this->token();
    log_in(*token);
    const std::string process = fmt::format("/proc/{}/", token->worker_pid());
    if (access((process + "fd").c_str(), R_OK) == 0) {
        for (const auto& entry : std::filesystem::directory_iterator(process + "fd")) {
            EXPECT_THAT(std::filesystem::read_symlink(entry).string(), Not(HasSubstr("canary-file")));
        }
    }
    close(canary);
    EXPECT_THAT(test::read_file(process + "limits"), testing::ContainsRegex("Max core file size +0 +0"));
}

TEST_F(WorkerTokenTest, lists_the_tokens_of_a_module) {
    softhsm_.init_token("second");
    const auto tokens = list_tokens(program(), shim_path, false, 20s);
    ASSERT_TRUE(tokens) << tokens.error().line();
    EXPECT_EQ(tokens->size(), 2U);
    const auto missing = list_tokens(program(), "/nonexistent.so", false, 20s);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::token_module);
    const auto hung = list_tokens(program("C_GetSlotList:*:hang"), shim_path, false, 300ms);
    ASSERT_FALSE(hung);
    EXPECT_EQ(hung.error().code(), ErrorCode::token_deadline);
}

}  // namespace
}  // namespace hwenroll::keystore
