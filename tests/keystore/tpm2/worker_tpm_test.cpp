// A TPM behind hwenroll-token: what the agent gets.
#include <csignal>

#include <gmock/gmock.h>

#include "keystore/openssl/key_provider.h"
#include "keystore/openssl/self_test.h"
#include "keystore/worker/worker_token.h"
#include "tests/keystore/tpm2/tpm_test.h"
#include "tests/support/test_paths.h"
#include "tests/support/tpm_broker.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::TpmBroker;
using ::hwenroll::test::write_file;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

class WorkerTpm : public TpmTest {
 protected:
    [[nodiscard]] static std::shared_ptr<WorkerToken> worker(const Tpm2Options& options,
                                                             std::vector<std::string> environment = {}) {
        return std::make_shared<WorkerToken>(
            WorkerProgram{hwenroll::test::program("hwenroll-token"), std::move(environment)}, options);
    }

    static void log_in(Token& token) {
        const auto outcome = try_login(token);
        ASSERT_EQ(outcome.result, LoginOutcome::Result::accepted) << outcome.error->line();
    }
};

TEST_F(WorkerTpm, generates_signs_and_opens_with_a_key_that_the_caller_keeps) {
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p384}) {
        const auto token = worker(options());
        log_in(*token);
        const auto made = token->generate(spec, key_id(1), "web");
        ASSERT_TRUE(made) << made.error().line();
        EXPECT_THAT(made->key.pem, HasSubstr("TSS2 PRIVATE KEY"));
        EXPECT_TRUE(opening_self_test(*token, made->key));

        const auto later = worker(options());
        log_in(*later);
        EXPECT_EQ(later->find(key_id(1)).value(), std::nullopt);
        const auto again = later->look_up(made->key);
        ASSERT_TRUE(again) << again.error().line();
        EXPECT_EQ(again->key.pem, made->key.pem);
        const auto signature = sign_text(*later, made->key, "data");
        ASSERT_TRUE(signature) << signature.error().line();
        EXPECT_TRUE(later->destroy(key_id(1)));
    }
    expect_nothing_loaded();
}

// TOK-1: the provider carries the blob.
TEST_F(WorkerTpm, TOK_1_its_key_is_an_EVP_PKEY) {
    const auto token = worker(options());
    log_in(*token);
    const auto made = token->generate(KeySpec::rsa_2048, key_id(1), "web").value();
    const auto key = to_evp_pkey(token, made.key);
    ASSERT_TRUE(key) << key.error().line();
    const OpenSslPtr<X509_REQ> request(X509_REQ_new());
    X509_REQ_set_version(request.get(), 0);
    ASSERT_EQ(X509_REQ_set_pubkey(request.get(), made.key.public_key.get()), 1);
    ASSERT_GT(X509_REQ_sign(request.get(), key->get(), EVP_sha256()), 0) << take_openssl_errors();
    EXPECT_EQ(X509_REQ_verify(request.get(), made.key.public_key.get()), 1);
}

TEST_F(WorkerTpm, keeps_keys_under_persistent_handles) {
    const auto token = worker(persistent_options());
    log_in(*token);
    const auto made = token->generate(KeySpec::rsa_2048, key_id(1), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_EQ(made->uri, "handle:0x81000010");
    EXPECT_EQ(token->list_keys().value().at(0).key.public_key, made->key.public_key);
    EXPECT_EQ(token->find(key_id(1)).value()->key.public_key, made->key.public_key);
    EXPECT_TRUE(token->destroy(key_id(1)));
    EXPECT_EQ(token->find(key_id(1)).value(), std::nullopt);
}

TEST_F(WorkerTpm, its_evidence_of_a_key_reaches_the_agent) {
    const auto token = worker(options());
    log_in(*token);
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    const auto evidence = token->certify(key, Bytes(32, 1));
    ASSERT_TRUE(evidence) << evidence.error().line();
    const auto direct = logged_in()->certify(key, Bytes(32, 1));
    ASSERT_TRUE(direct) << direct.error().line();
    EXPECT_EQ(evidence->key_public, direct->key_public);
    EXPECT_EQ(evidence->attestation_public, direct->attestation_public);
    expect_certified(*evidence, key, Bytes(32, 1));
}

// P1: the wait reaches the agent.
TEST_F(WorkerTpm, P1_the_end_of_a_lockout_reaches_the_agent) {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc256", "-p", "right", "-a",
               "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-c", "k.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "k.ctx", "0x81010001"});
    Tpm2Options with_auth = options();
    with_auth.auth = auth_file("right");
    const auto token = worker(with_auth);
    log_in(*token);
    const auto key = token->find(KeyId{{0x81, 0x01, 0x00, 0x01}}).value()->key;
    write_file(tpm_.directory() / "data", "data");
    for (int tries = 0; tries < 3; ++tries) {
        EXPECT_NE(tpm_.tool({"tpm2_sign", "-Q", "-c", "0x81010001", "-p", "wrong", "-g", "sha256", "-o", "s", "data"})
                      .exit_code,
                  0);
    }
    const auto refused = sign_text(*token, key, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().retry_after(), 1000s);
    EXPECT_THAT(refused.error().line(), HasSubstr("locked out"));
}

// P6, T3.
TEST_F(WorkerTpm, P6_a_tpm_that_does_not_answer_costs_the_worker_at_the_deadline) {
    Tpm2Options options = this->options();
    const auto key = logged_in()->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    options.deadlines.use = 500ms;
    const auto token = worker(options);
    log_in(*token);
    tpm_.signal(SIGSTOP);
    const auto before = steady_clock::now();
    const auto late = sign_text(*token, key, "data");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::token_deadline);
    EXPECT_LT(steady_clock::now() - before, 5s);
    tpm_.signal(SIGCONT);
    log_in(*token);
    EXPECT_TRUE(sign_text(*token, key, "data"));
}

// P13: RSA keys take some chips minutes. TPM2_Create (0x153) is all that is slow here.
TEST_F(WorkerTpm, P13_a_key_that_takes_long_is_waited_for_up_to_a_deadline_of_its_own) {
    Tpm2Options options = this->options();
    options.tcti = hwenroll::test::module("libhwenroll-tcti-shim.so") + ":" + options.tcti;
    options.network = true;  // the TPM behind the shim is reached by TCP
    options.deadlines = {5s, 500ms, 60s};
    const auto patient = worker(options, {"HWENROLL_TCTI_DELAY=153=1500"});
    log_in(*patient);
    const auto before = steady_clock::now();
    const auto made = patient->generate(KeySpec::ec_p256, key_id(1), "web");
    ASSERT_TRUE(made) << made.error().line();
    EXPECT_GE(steady_clock::now() - before, 1500ms);
    EXPECT_TRUE(sign_text(*patient, made->key, "data"));

    options.deadlines.generate = 700ms;
    const auto impatient = worker(options, {"HWENROLL_TCTI_DELAY=153=60000"});
    log_in(*impatient);
    const auto late = impatient->generate(KeySpec::ec_p256, key_id(2), "web");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::token_deadline) << late.error().line();
    EXPECT_THAT(late.error().line(), HasSubstr("generating a key"));
    log_in(*patient);
    EXPECT_TRUE(patient->look_up(made->key)) << "what there was before is there";
    expect_nothing_loaded();
}

// T2, P4: the worker dies with parent, key and session loaded.
TEST_F(WorkerTpm, T2_P4_what_a_worker_that_crashed_had_loaded_is_flushed_by_the_next_one) {
    const auto key = logged_in()->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    for (int crashes = 0; crashes < 2; ++crashes) {
        const auto crashing = worker(options(), {"HWENROLL_FAILPOINT=signature-wanted"});
        log_in(*crashing);
        EXPECT_EQ(sign_text(*crashing, key, "data").error().code(), ErrorCode::token_worker);
    }
    EXPECT_NE(handles("handles-transient"), "");
    const auto token = worker(options());
    log_in(*token);
    const auto signature = sign_text(*token, key, "data");
    ASSERT_TRUE(signature) << signature.error().line();
    expect_nothing_loaded();
}

TEST_F(WorkerTpm, T9_a_refused_value_is_tried_once_and_its_changed_file_is_read_by_a_new_worker) {
    Tpm2Options right = options();
    right.auth = auth_file("right");
    const auto key = logged_in(right)->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    auth_file("wrong");
    const auto token = worker(right);
    log_in(*token);
    EXPECT_TRUE(token->settle_login().value()) << "so that the agent records each use";
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_pin);
    EXPECT_TRUE(token->use_refused());
    EXPECT_FALSE(token->logged_in());
    EXPECT_EQ(sign_text(*token, key, "data").error().code(), ErrorCode::token_operation) << "without a login";
    auth_file("right");
    log_in(*token);
    EXPECT_TRUE(sign_text(*token, key, "data"));
}

TEST_F(WorkerTpm, a_token_without_an_authorization_value_has_nothing_that_a_use_could_cost) {
    const auto token = worker(options());
    log_in(*token);
    EXPECT_FALSE(token->settle_login().value());
}

TEST_F(WorkerTpm, a_credential_of_the_agent_is_refused) {
    Tpm2Options options = this->options();
    options.auth = "credential:tpm";
    const auto described = worker(options)->describe();
    ASSERT_FALSE(described);
    EXPECT_EQ(described.error().code(), ErrorCode::token_pin_source);
}

/// tpm2-abrmd between the worker and the TPM.
class BrokeredTpm : public WorkerTpm {
 protected:
    [[nodiscard]] std::shared_ptr<WorkerToken> brokered() const {
        Tpm2Options options = this->options();
        options.tcti = TpmBroker::tcti();
        return worker(options, {broker_.environment()});
    }

    TpmBroker broker_{tpm_};
};

TEST_F(BrokeredTpm, keys_are_made_and_used_beside_other_clients) {
    const auto one = brokered();
    const auto other = brokered();
    log_in(*one);
    log_in(*other);
    const auto key = one->generate(KeySpec::rsa_2048, key_id(1), "web");
    ASSERT_TRUE(key) << key.error().line();
    for (int round = 0; round < 5; ++round) {
        EXPECT_TRUE(sign_text(*one, key->key, "data"));
        EXPECT_TRUE(sign_text(*other, key->key, "data"));
    }
    EXPECT_TRUE(opening_self_test(*other, key->key));
}

TEST_F(BrokeredTpm, keys_are_certified_beside_other_clients) {
    const auto token = brokered();
    log_in(*token);
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    const auto evidence = token->certify(key, Bytes(32, 1));
    ASSERT_TRUE(evidence) << evidence.error().line();
    expect_certified(*evidence, key, Bytes(32, 1));
}

TEST_F(BrokeredTpm, P14_a_broker_that_starts_again_costs_a_login_at_most) {
    const auto token = brokered();
    log_in(*token);
    const auto key = token->generate(KeySpec::ec_p256, key_id(1), "web").value().key;
    broker_.start();
    auto signature = sign_text(*token, key, "data");
    if (!signature) {
        log_in(*token);
        signature = sign_text(*token, key, "data");
    }
    ASSERT_TRUE(signature) << signature.error().line();
}

}  // namespace
}  // namespace hwenroll::keystore::test
