// A TPM 2.0 through Tpm2Token: keys as blobs or in persistent handles, with and without an authorization value, alone
// and behind a broker.
#include "tests/keystore/contract/contract_test.h"
#include "tests/support/required_tokens.h"
#include "tests/support/software_tpm.h"
#include "tests/support/tpm_broker.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::SoftwareTpm;
using ::hwenroll::test::TpmBroker;

const std::vector<KeySpec> kinds = {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::ec_p256, KeySpec::ec_p384};

Abilities of_blobs() {
    return {.makes = kinds, .keeps = false, .labels = false, .pin = Abilities::Judged::never};
}

Abilities of_persistent_keys() {
    return {.makes = kinds, .labels = false, .pin = Abilities::Judged::at_use, .asks_at_use = true};
}

std::optional<std::string> no_swtpm() {
    return ::hwenroll::test::missing_package({{"swtpm", "swtpm"}});
}

class TpmWorld : public TokenWorld {
 public:
    TpmWorld(Abilities abilities, Route route) : TokenWorld("secret", std::move(abilities)), route_(route) {
        options_.name = "tpm";
        options_.tcti = tpm_.tcti();
        if (this->abilities().pin == Abilities::Judged::at_use) {
            options_.auth = pin_source();
        }
        if (this->abilities().keeps) {
            options_.first_handle = 0x81000010;
            options_.last_handle = 0x8100001F;
        }
    }

    std::unique_ptr<Token> open() override { return open_token(options_, route_); }
    void take_away() override { tpm_.stop(); }
    void bring_back() override { tpm_.start(); }

 private:
    Route route_;
    SoftwareTpm tpm_;
    Tpm2Options options_;
};

/// Through tpm2-abrmd, whose library wants a bus in the environment of its process: the worker's.
class BrokeredTpmWorld final : public TokenWorld {
 public:
    BrokeredTpmWorld() : TokenWorld("secret", of_blobs()) {
        options_.name = "tpm";
        options_.tcti = TpmBroker::tcti();
    }

    static std::optional<std::string> missing() {
        auto tpm = no_swtpm();
        return tpm ? tpm : TpmBroker::missing();
    }

    std::unique_ptr<Token> open() override { return open_token(options_, Route::worker, {broker_.environment()}); }
    void take_away() override { broker_.stop(); }
    void bring_back() override { broker_.start(); }

 private:
    SoftwareTpm tpm_;
    TpmBroker broker_{tpm_};
    Tpm2Options options_;
};

WorldPlan plan(Abilities abilities, Route route) {
    return {no_swtpm, [=] { return std::make_unique<TpmWorld>(abilities, route); }};
}

INSTANTIATE_TEST_SUITE_P(TpmBlobs, TokenContract, ::testing::Values(plan(of_blobs(), Route::in_process)));
INSTANTIATE_TEST_SUITE_P(TpmHandles, TokenContract, ::testing::Values(plan(of_persistent_keys(), Route::in_process)));
INSTANTIATE_TEST_SUITE_P(TpmHandlesInWorker, TokenContract,
                         ::testing::Values(plan(of_persistent_keys(), Route::worker)));
INSTANTIATE_TEST_SUITE_P(TpmBehindBroker, TokenContract,
                         ::testing::Values(WorldPlan{BrokeredTpmWorld::missing, std::make_unique<BrokeredTpmWorld>}));

}  // namespace
}  // namespace hwenroll::keystore::test
