// The token in memory that other tests stand on.
#include "tests/keystore/contract/contract_test.h"
#include "tests/keystore/software_token.h"

namespace hwenroll::keystore::test {
namespace {

class SoftwareWorld final : public TokenWorld {
 public:
    SoftwareWorld()
        : TokenWorld("1234", {.makes = {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::rsa_4096, KeySpec::ec_p256,
                                        KeySpec::ec_p384}}) {
        device_->pin = "1234";
    }

    std::unique_ptr<Token> open() override {
        return std::make_unique<SoftwareToken>(device_, PinSource::parse(pin_source()).value());
    }
    void take_away() override { device_->present = false; }
    void bring_back() override { device_->present = true; }
    std::optional<int> refusals() override { return device_->refusals; }

 private:
    std::shared_ptr<SoftwareDevice> device_ = std::make_shared<SoftwareDevice>();
};

INSTANTIATE_TEST_SUITE_P(Software, TokenContract,
                         ::testing::Values(WorldPlan{[] { return std::optional<std::string>(); },
                                                     std::make_unique<SoftwareWorld>}));

}  // namespace
}  // namespace hwenroll::keystore::test
