#include "tests/keystore/contract/token_world.h"

#include <ostream>

#include "keystore/pkcs11/pkcs11_token.h"
#include "keystore/tpm2/tpm2_token.h"
#include "keystore/worker/worker_token.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore::test {

using ::hwenroll::test::write_file;

std::unique_ptr<Token> open_token(const TokenOptions& options, Route route, std::vector<std::string> environment) {
    if (route == Route::worker) {
        return std::make_unique<WorkerToken>(
            WorkerProgram{::hwenroll::test::program("hwenroll-token"), std::move(environment)}, options);
    }
    if (const auto* const tpm2 = std::get_if<Tpm2Options>(&options)) {
        return std::make_unique<Tpm2Token>(*tpm2, PinSource::parse(tpm2->auth).value());
    }
    const auto& pkcs11 = std::get<Pkcs11Options>(options);
    return std::make_unique<Pkcs11Token>(pkcs11, PinSource::parse(pkcs11.pin).value());
}

TokenWorld::TokenWorld(std::string right_pin, Abilities abilities)
    : right_pin_(std::move(right_pin)), abilities_(std::move(abilities)) {
    give_right_pin();
}

void TokenWorld::give_right_pin() const {
    write_file(directory_ / "pin", right_pin_, 0600);
}

void TokenWorld::give_wrong_pin() const {
    write_file(directory_ / "pin", right_pin_.substr(1) + "00", 0600);
}

std::string TokenWorld::pin_source() const {
    return "file:" + (directory_ / "pin").string();
}

bool TokenWorld::lose_half(const KeyId& /*id*/, Half /*half*/) {
    return false;
}

void PrintTo(const WorldPlan& /*plan*/, std::ostream* out) {
    *out << "a world";
}

}  // namespace hwenroll::keystore::test
