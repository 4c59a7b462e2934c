// A PIV card through OpenSC and Pkcs11Token: keys that were on it before, of both kinds.
#include <chrono>

#include "tests/keystore/contract/contract_test.h"
#include "tests/support/virtual_card.h"

namespace hwenroll::keystore::test {
namespace {

using namespace std::chrono_literals;
using ::hwenroll::test::CardReader;
using ::hwenroll::test::PivCard;
using ::hwenroll::test::PivKey;
using std::chrono::steady_clock;

class CardWorld final : public TokenWorld {
 public:
    CardWorld(Route route, bool ec_keys)
        : TokenWorld("123456", {.makes = {}, .destroys = false, .asks_at_use = true}),
          ec_keys_(ec_keys),
          card_({.ec_keys = ec_keys}),
          route_(route) {
        options_.name = "card";
        options_.module = CardReader::module();
        options_.uri = "pkcs11:model=PKCS%2315%20emulated";
        options_.pin = pin_source();
        options_.deadlines = {10s, 5s, 10s};
        bring_back();
    }

    std::unique_ptr<Token> open() override { return open_token(options_, route_); }
    void take_away() override {
        reader_.remove();
        wait_until_seen(false);
    }
    void bring_back() override {
        reader_.insert(card_);
        wait_until_seen(true);
    }
    std::optional<int> refusals() override { return card_.pins_refused(); }

    /// OpenSC numbers them.
    std::vector<UsableKey> given_keys() override {
        std::vector<UsableKey> keys{{key(1, PivKey::authentication), true, true, false},
                                    {key(2, PivKey::signature), true, true, false}};
        if (ec_keys_) {
            keys.push_back({key(3, PivKey::management), false, false, true});
            keys.push_back({key(4, PivKey::card_authentication), true, false, false});
        }
        return keys;
    }

 private:
    [[nodiscard]] KeyReference key(std::uint8_t number, PivKey which) const {
        return {KeyId{{number}}, PublicKey::from_spki(card_.public_key(which)).value()};
    }

    /// The daemon looks for a card a few times a second, and a new program sees what it has seen.
    void wait_until_seen(bool there) {
        const auto deadline = steady_clock::now() + 20s;
        while (open()->describe().has_value() != there && steady_clock::now() < deadline) {
        }
    }

    bool ec_keys_;
    PivCard card_;
    CardReader reader_;
    Pkcs11Options options_;
    Route route_;
};

WorldPlan plan(Route route, bool ec_keys) {
    return {CardReader::missing, [=] { return std::make_unique<CardWorld>(route, ec_keys); }};
}

// OpenSC 0.23.0 may wait for itself once a card with EC keys has been pulled out, so that needs a worker to be killed.
INSTANTIATE_TEST_SUITE_P(Card, TokenContract, ::testing::Values(plan(Route::in_process, false)));
INSTANTIATE_TEST_SUITE_P(EcCardInWorker, TokenContract, ::testing::Values(plan(Route::worker, true)));

}  // namespace
}  // namespace hwenroll::keystore::test
