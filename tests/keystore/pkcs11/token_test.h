// What the tests of Pkcs11Token share: a SoftHSM2 token, and ways around Pkcs11Token to it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "keystore/pkcs11/pkcs11_token.h"
#include "keystore/pkcs11/session.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/try_login.h"
#include "tests/support/softhsm.h"

namespace hwenroll::keystore::test {

using ::hwenroll::test::SoftHsm;

/// A second user of the token in this process, by the Cryptoki calls themselves.
class RawToken {
 public:
    /// Opens the only token of the store and logs in with `pin`; throws std::runtime_error when it cannot.
    explicit RawToken(const std::string& pin = "1234");

    pkcs11::Session& session() { return *session_; }

    /// Handles of the halves with this id.
    std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS half, const KeyId& id);

    /// Generates a pair under `id`, whether or not it is in use.
    void generate(const KeyId& id, KeySpec spec = KeySpec::rsa_2048);

    void destroy(CK_OBJECT_CLASS half, const KeyId& id);

    /// C_Logout: every session of this process with the token loses its login.
    void log_out();

 private:
    std::shared_ptr<pkcs11::Module> module_;
    CK_SLOT_ID slot_ = 0;
    std::optional<pkcs11::Session> session_;
};

/// Sets a variable of this process's environment and removes it at the end.
class EnvironmentVariable {
 public:
    EnvironmentVariable(std::string name, const std::string& value);
    EnvironmentVariable(const EnvironmentVariable&) = delete;
    EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;
    ~EnvironmentVariable();

 private:
    std::string name_;
};

/// A store with one token, `lab`, whose PIN is 1234.
class TokenTest : public ::testing::Test {
 protected:
    TokenTest();

    Pkcs11Options options() const;

    /// Not logged in.
    static std::unique_ptr<Pkcs11Token> token_with(const Pkcs11Options& options);

    /// Logged in; the test fails when that fails.
    static std::unique_ptr<Pkcs11Token> logged_in(const Pkcs11Options& options);
    std::unique_ptr<Pkcs11Token> logged_in() const { return logged_in(options()); }

    SoftHsm hsm_;
    std::string pin_;  ///< the `pin` of the configuration
};

/// The same token behind the module that breaks chosen calls (tests/support/pkcs11_shim).
class ShimTest : public TokenTest {
 protected:
    ShimTest();

    /// For tokens made from here on. The shim reads its script when it is loaded and is never unloaded, so each script
    /// gets a copy of it.
    void script(const std::string& rules);

    Pkcs11Options shim_options() const;

    /// How often a function was called so far.
    [[nodiscard]] int calls(std::string_view function) const;

 private:
    EnvironmentVariable log_;
    std::optional<EnvironmentVariable> rules_;
    std::filesystem::path module_;
    int scripts_ = 0;
};

}  // namespace hwenroll::keystore::test
