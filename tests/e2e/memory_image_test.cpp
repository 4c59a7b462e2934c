// Invariant 7, and the first promise of the project: no private key and no PIN in the agent's memory. The images of
// hwenrolld and of an idle hwenroll-token, after an enrollment and a renewal, are searched for the PIN and for the
// primes of a key that the test itself made and imported.
//
// What is read is /proc/PID/mem, which holds all that a core file would and more: also what MADV_DONTDUMP keeps out.
#include "tests/support/memory_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/openssl_ptr.h"
#include "tests/e2e/daemon_world.h"
#include "tests/support/process_memory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::IsEmpty;
using testing::Not;

/// In the daemon's environment, and so in its memory.
constexpr auto planted = "planted-for-the-search-58203";

Bytes parameter_of(EVP_PKEY* key, const char* name) {
    BIGNUM* read = nullptr;
    if (EVP_PKEY_get_bn_param(key, name, &read) != 1) {
        throw std::runtime_error(take_openssl_errors());
    }
    const OpenSslPtr<BIGNUM> number(read);
    Bytes octets(static_cast<std::size_t>(BN_num_bytes(number.get())));
    BN_bn2bin(number.get(), octets.data());
    return octets;
}

/// Several arrangements of one value.
struct Searched {
    std::string name;
    std::vector<Bytes> values;
};

std::vector<Searched> private_parts_of(EVP_PKEY* key) {
    std::vector<Searched> parts;
    for (const auto& [name, parameter] : {std::pair{"the first prime", OSSL_PKEY_PARAM_RSA_FACTOR1},
                                          std::pair{"the second prime", OSSL_PKEY_PARAM_RSA_FACTOR2},
                                          std::pair{"the private exponent", OSSL_PKEY_PARAM_RSA_D}}) {
        parts.push_back({name, arrangements_of(parameter_of(key, parameter))});
    }
    return parts;
}

std::vector<std::string> found_in(pid_t pid, const Searched& searched) {
    std::vector<std::string> places;
    for (const Finding& finding : find_in_memory(pid, searched.values)) {
        places.push_back(searched.name + (finding.in_core ? " in " : " outside a core file in ") + finding.mapping);
    }
    return places;
}

/// An identity with a key that was imported into SoftHSM2, enrolled and renewed; all is idle.
class MemoryImage : public testing::Test {
 protected:
    MemoryImage() : world_({"--lifetime", std::to_string(120 * 86400), "--backdate", "0"}) {
        const OpenSslPtr<EVP_PKEY> key(EVP_RSA_gen(2048));
        import_key(key.get());
        secrets_ = private_parts_of(key.get());
        secrets_.push_back({"the PIN", {to_bytes(as_bytes(canary_pin))}});
        secrets_.push_back({"the challenge", {to_bytes(as_bytes(canary_challenge))}});
        modulus_ = {"the modulus", arrangements_of(parameter_of(key.get(), OSSL_PKEY_PARAM_RSA_N))};
    }

    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "the sanitizers' own memory is without end";
#endif
        if (geteuid() != 0) {
            GTEST_SKIP() << "hwenroll-token is not dumpable: root alone may look";
        }
        world_.configure({.module = module("libhwenroll-pkcs11-shim.so"),
                          .key = "existing:pkcs11:id=%9a",
                          .identity_extra = "new_key = \"reuse\"\n"});
        world_.start_daemon({std::string("HWENROLL_PLANTED=") + planted, "HWENROLL_SHIM_MODULE=" + SoftHsm::module(),
                             // An imported key has been outside, so the token has to lie.
                             "HWENROLL_SHIM_RULE=C_GetAttributeValue:*:wrong=never_extractable,"
                             "C_GetAttributeValue:*:wrong=always_sensitive,C_GetAttributeValue:*:wrong=local"});
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
        ASSERT_FALSE(HasFailure());
        world_.go_to_day(91);
        world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
        ASSERT_FALSE(HasFailure());
        const auto workers = children_of(world_.daemon().pid());
        ASSERT_EQ(workers.size(), 1U);
        worker_ = workers.front();
    }

    void import_key(EVP_PKEY* key) const {
        const auto path = (world_.directory() / "imported.pem").string();
        FILE* file = std::fopen(path.c_str(), "w");
        PEM_write_PKCS8PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
        const RunResult imported = run({"softhsm2-util", "--import", path, "--token", "lab", "--label", "imported",
                                        "--id", "9a", "--pin", canary_pin});
        EXPECT_EQ(imported.exit_code, 0) << imported.err;
        std::filesystem::remove(path);
    }

    void expect_no_secret(pid_t pid) const {
        for (const Searched& secret : secrets_) {
            EXPECT_THAT(found_in(pid, secret), IsEmpty());
        }
    }

    DaemonWorld world_;
    std::vector<Searched> secrets_;
    Searched modulus_;
    pid_t worker_ = -1;
};

/// The lab CA's key is in its memory, as any software's is.
TEST_F(MemoryImage, of_a_program_that_has_a_private_key_shows_it) {
    FILE* file = std::fopen((world_.directory() / "ca" / "ca.key").c_str(), "r");
    ASSERT_NE(file, nullptr);
    const OpenSslPtr<EVP_PKEY> key(PEM_read_PrivateKey(file, nullptr, nullptr, nullptr));
    std::fclose(file);
    ASSERT_TRUE(key);
    for (const Searched& part : private_parts_of(key.get())) {
        EXPECT_THAT(found_in(world_.ca_process(), part), Not(IsEmpty())) << part.name;
    }
    EXPECT_THAT(found_in(world_.ca_process(), {"the challenge", {to_bytes(as_bytes(canary_challenge))}}),
                Not(IsEmpty()));
}

TEST_F(MemoryImage, invariant_7_of_hwenrolld_holds_neither_pin_nor_private_key) {
    const pid_t daemon = world_.daemon().pid();
    expect_no_secret(daemon);
    EXPECT_THAT(found_in(daemon, {"the planted text", {to_bytes(as_bytes(planted))}}), Not(IsEmpty()));
    EXPECT_THAT(found_in(daemon, modulus_), Not(IsEmpty()));
}

TEST_F(MemoryImage, invariant_7_of_an_idle_worker_holds_neither_pin_nor_private_key) {
    expect_no_secret(worker_);
    EXPECT_THAT(found_in(worker_, {"the planted text", {to_bytes(as_bytes(planted))}}), Not(IsEmpty()));
    EXPECT_THAT(found_in(worker_, modulus_), Not(IsEmpty()));
}

}  // namespace
}  // namespace hwenroll::test
