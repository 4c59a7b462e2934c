#include "tests/keystore/pkcs11/token_test.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "keystore/pkcs11/key_object.h"
#include "keystore/pkcs11/slot.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore::test {

namespace {

void must(const pkcs11::Outcome<void>& outcome) {
    if (!outcome) {
        throw std::runtime_error(outcome.error().text());
    }
}

}  // namespace

RawToken::RawToken(const std::string& pin) {
    module_ = pkcs11::Module::load(SoftHsm::module()).value();
    slot_ = pkcs11::slots_with_tokens(*module_).value().tokens.at(0).number;
    session_ = pkcs11::Session::open(module_, slot_).value();
    must(session_->login(Secret(as_bytes(pin))));
}

std::vector<CK_OBJECT_HANDLE> RawToken::find(CK_OBJECT_CLASS half, const KeyId& id) {
    return session_->find(pkcs11::key_search(half, &id)).value();
}

void RawToken::generate(const KeyId& id, KeySpec spec) {
    session_
        ->generate(pkcs11::generation_mechanism(spec), pkcs11::public_half_template(spec, id, "foreign"),
                   pkcs11::private_half_template(spec, id, "foreign"))
        .value();
}

void RawToken::destroy(CK_OBJECT_CLASS half, const KeyId& id) {
    for (const CK_OBJECT_HANDLE handle : find(half, id)) {
        must(session_->destroy(handle));
    }
}

void RawToken::log_out() {
    CK_SESSION_HANDLE any = 0;
    module_->call(&CK_FUNCTION_LIST::C_OpenSession, slot_, CK_FLAGS{CKF_SERIAL_SESSION}, static_cast<void*>(nullptr),
                  static_cast<CK_NOTIFY>(nullptr), &any);
    if (module_->call(&CK_FUNCTION_LIST::C_Logout, any) != CKR_OK) {
        throw std::runtime_error("cannot log out");
    }
}

EnvironmentVariable::EnvironmentVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    setenv(name_.c_str(), value.c_str(), 1);
}

EnvironmentVariable::~EnvironmentVariable() {
    unsetenv(name_.c_str());
}

TokenTest::TokenTest() {
    hsm_.init_token("lab");
    pin_ = hsm_.pin_file();
}

Pkcs11Options TokenTest::options() const {
    Pkcs11Options options;
    options.name = "lab";
    options.module = SoftHsm::module();
    options.uri = SoftHsm::token_uri("lab");
    options.pin = pin_;
    return options;
}

std::unique_ptr<Pkcs11Token> TokenTest::token_with(const Pkcs11Options& options) {
    return std::make_unique<Pkcs11Token>(options, PinSource::parse(options.pin).value());
}

std::unique_ptr<Pkcs11Token> TokenTest::logged_in(const Pkcs11Options& options) {
    auto token = token_with(options);
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::accepted)
        << (outcome.error ? outcome.error->line() : "without error");
    return token;
}

ShimTest::ShimTest() : log_("HWENROLL_SHIM_LOG", (hsm_.directory() / "calls").string()) {
    script("");
}

void ShimTest::script(const std::string& rules) {
    rules_.emplace("HWENROLL_SHIM_RULE", rules);
    module_ = hsm_.directory() / ("shim-" + std::to_string(++scripts_) + ".so");
    std::filesystem::copy_file(hwenroll::test::module("libhwenroll-pkcs11-shim.so"), module_);
}

Pkcs11Options ShimTest::shim_options() const {
    Pkcs11Options shimmed = options();
    shimmed.module = module_.string();
    return shimmed;
}

int ShimTest::calls(std::string_view function) const {
    if (!std::filesystem::exists(hsm_.directory() / "calls")) {
        return 0;
    }
    std::istringstream log(::hwenroll::test::read_file(hsm_.directory() / "calls"));
    int count = 0;
    for (std::string line; std::getline(log, line);) {
        count += line == function ? 1 : 0;
    }
    return count;
}

}  // namespace hwenroll::keystore::test
