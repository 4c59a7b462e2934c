// SoftHSM2 through Pkcs11Token.
#include <filesystem>

#include "tests/keystore/contract/contract_test.h"
#include "tests/keystore/contract/pkcs11_tool.h"
#include "tests/support/required_tokens.h"
#include "tests/support/softhsm.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::SoftHsm;

class SoftHsmWorld final : public TokenWorld {
 public:
    explicit SoftHsmWorld(Route route)
        : TokenWorld("1234", {.makes = {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::rsa_4096, KeySpec::ec_p256,
                                        KeySpec::ec_p384}}),
          route_(route) {
        hsm_.init_token("lab");
        options_.name = "lab";
        options_.module = SoftHsm::module();
        options_.uri = SoftHsm::token_uri("lab");
        options_.pin = pin_source();
    }

    static std::optional<std::string> missing() {
        return ::hwenroll::test::missing_package(
            {{SoftHsm::module(), "softhsm2"}, {"softhsm2-util", "softhsm2"}, {"pkcs11-tool", "opensc"}});
    }

    std::unique_ptr<Token> open() override { return open_token(options_, route_); }
    void take_away() override {
        std::filesystem::rename(hsm_.token_directory(), away_);
        std::filesystem::create_directory(hsm_.token_directory());
    }
    void bring_back() override {
        std::filesystem::remove(hsm_.token_directory());
        std::filesystem::rename(away_, hsm_.token_directory());
    }
    bool lose_half(const KeyId& id, Half half) override {
        return delete_half({SoftHsm::module(), "lab", "1234", {}}, id, half);
    }

 private:
    SoftHsm hsm_;
    std::filesystem::path away_ = hsm_.directory() / "away";
    Pkcs11Options options_;
    Route route_;
};

WorldPlan plan(Route route) {
    return {SoftHsmWorld::missing, [route] { return std::make_unique<SoftHsmWorld>(route); }};
}

INSTANTIATE_TEST_SUITE_P(SoftHsm, TokenContract, ::testing::Values(plan(Route::in_process)));
INSTANTIATE_TEST_SUITE_P(SoftHsmInWorker, TokenContract, ::testing::Values(plan(Route::worker)));

}  // namespace
}  // namespace hwenroll::keystore::test
