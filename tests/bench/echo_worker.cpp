// A token worker whose token does nothing: what is left of a use is the way to a worker and back.
#include "keystore/worker/token_server.h"

namespace {

using namespace hwenroll;            // NOLINT(google-build-using-namespace)
using namespace hwenroll::keystore;  // NOLINT(google-build-using-namespace)

constexpr int connection = 3;

/// Gives signing input back; holds no key.
class EchoToken final : public Token {
 public:
    Result<TokenDescription> describe() override { return TokenDescription{}; }
    Result<LoginPreparation> prepare_login() override { return LoginPreparation{}; }
    LoginOutcome login(const LoginHistory& /*history*/) override {
        return {LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    Result<std::vector<KeyDescription>> list_keys() override { return std::vector<KeyDescription>(); }
    Result<KeyDescription> generate(KeySpec /*spec*/, const KeyId& /*id*/, const std::string& /*label*/) override {
        return refused();
    }
    Result<std::optional<KeyDescription>> find(const KeyId& /*id*/) override { return std::nullopt; }
    Result<Bytes> sign(const KeyReference& /*key*/, SignMechanism /*mechanism*/, ByteView input) override {
        return to_bytes(input);
    }
    Result<Secret> decrypt(const KeyReference& /*key*/, DecryptMechanism /*mechanism*/, ByteView ciphertext) override {
        return Secret(ciphertext);
    }
    Result<Secret> agree(const KeyReference& /*key*/, const PublicKey& /*peer*/) override { return refused(); }
    Status destroy(const KeyId& /*id*/) override { return refused(); }

 private:
    static tl::unexpected<Error> refused() {
        return fail(ErrorCode::token_operation, "the echo of the benchmarks holds no keys");
    }
};

}  // namespace

int main() {
    TokenServer server(connection, {[](const TokenOptions&) -> Result<std::unique_ptr<Token>> {
                                        return std::unique_ptr<Token>(std::make_unique<EchoToken>());
                                    },
                                    [](const std::string&) -> Result<std::vector<TokenDescription>> {
                                        return std::vector<TokenDescription>();
                                    }});
    return server.serve();
}
