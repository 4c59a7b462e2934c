// tpm2-pkcs11 through Pkcs11Token, in the worker, whose environment names its store.
#include <string>

#include "tests/keystore/contract/contract_test.h"
#include "tests/keystore/contract/pkcs11_tool.h"
#include "tests/support/required_tokens.h"
#include "tests/support/tpm2_pkcs11.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::Tpm2Pkcs11;

constexpr auto user_pin = "123456";

class Tpm2Pkcs11World final : public TokenWorld {
 public:
    Tpm2Pkcs11World()
        : TokenWorld(user_pin, {.makes = {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::ec_p256, KeySpec::ec_p384},
                                .agrees = false,
                                // It reads its store in C_Initialize alone.
                                .shows_news = false,
                                // C_Initialize fails, so the module cannot say which token is away.
                                .absence = ErrorCode::token_module}) {
        options_.name = "lab";
        options_.module = Tpm2Pkcs11::module();
        options_.uri = "pkcs11:token=lab";
        options_.pin = pin_source();
    }

    static std::optional<std::string> missing() {
        auto module = Tpm2Pkcs11::missing();
        return module ? module : ::hwenroll::test::missing_package({{"pkcs11-tool", "opensc"}});
    }

    std::unique_ptr<Token> open() override { return open_token(options_, Route::worker, store_.environment()); }
    void take_away() override { store_.take_away(); }
    void bring_back() override { store_.bring_back(); }
    /// The TPM's dictionary attack counter, which a right PIN does not set back.
    std::optional<int> refusals() override {
        const std::string name = "TPM2_PT_LOCKOUT_COUNTER:";
        const std::string properties = store_.must({"tpm2_getcap", "properties-variable"});
        return std::stoi(properties.substr(properties.find(name) + name.size()), nullptr, 16);
    }

    bool lose_half(const KeyId& id, Half half) override {
        return delete_half({Tpm2Pkcs11::module(), "lab", user_pin, store_.environment()}, id, half);
    }

 private:
    Tpm2Pkcs11 store_{user_pin};
    Pkcs11Options options_;
};

INSTANTIATE_TEST_SUITE_P(Tpm2Pkcs11, TokenContract,
                         ::testing::Values(WorldPlan{Tpm2Pkcs11World::missing, std::make_unique<Tpm2Pkcs11World>}));

}  // namespace
}  // namespace hwenroll::keystore::test
