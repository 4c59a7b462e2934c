// A kind of token as the contract test needs it: the device, the programs that use it, and what may happen to it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystore/token.h"
#include "keystore/token_options.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::keystore::test {

/// Which side of the process boundary a Token is on.
enum class Route : std::uint8_t { in_process, worker };

/// The Token of the product for these options, in this process or through hwenroll-token, which gets `environment`.
std::unique_ptr<Token> open_token(const TokenOptions& options, Route route, std::vector<std::string> environment = {});

/// A key and what it is good for.
struct UsableKey {
    KeyReference key;
    bool signs = true;
    bool decrypts = false;
    bool agrees = false;
};

/// What a token can do. What it cannot, it must refuse as keystore/token.h says: no flag lets a test be left out.
struct Abilities {
    /// The kinds of key that it makes; generate() refuses the others.
    std::vector<KeySpec> makes;
    /// It keeps its keys: they are found by their id. Otherwise they are in KeyReference::pem and nowhere else.
    bool keeps = true;
    /// It destroys keys that it keeps.
    bool destroys = true;
    /// Its keys bear the label that generate() was given.
    bool labels = true;
    /// The EC keys that it makes agree on secrets.
    bool agrees = true;
    /// When a PIN or an authorization value is judged; `never`: the token has none.
    enum class Judged : std::uint8_t { never, at_login, at_use } pin = Judged::at_login;
    /// Some key wants the PIN for each use (Token::settle_login).
    bool asks_at_use = false;
    /// What one program makes another one finds that had logged in before.
    bool shows_news = true;
    /// How it says that it is away.
    ErrorCode absence = ErrorCode::token_absent;
};

/// One device of a kind, made with the world and gone with it. Programs that use it are Tokens; the last of them ends
/// before the world does.
class TokenWorld {
 public:
    TokenWorld(std::string right_pin, Abilities abilities);
    TokenWorld(const TokenWorld&) = delete;
    TokenWorld& operator=(const TokenWorld&) = delete;
    virtual ~TokenWorld() = default;

    [[nodiscard]] const Abilities& abilities() const { return abilities_; }

    /// Another program that uses the device; not logged in.
    virtual std::unique_ptr<Token> open() = 0;

    /// Keys that are on it from the start.
    [[nodiscard]] virtual std::vector<UsableKey> given_keys() { return {}; }

    /// The device goes away, and comes back. Both return when the next call of a new program can tell.
    virtual void take_away() = 0;
    virtual void bring_back() = 0;

    /// How often it has refused a PIN so far; nothing where nobody counts.
    [[nodiscard]] virtual std::optional<int> refusals() { return std::nullopt; }

    /// Takes away one half of the pair with this id, past hwenroll (T18); false where there is no such half.
    enum class Half : std::uint8_t { public_half, private_half };
    virtual bool lose_half(const KeyId& id, Half half);

    /// What the file of pin_source() holds from now on; the two differ in length, so the file's identity changes.
    void give_right_pin() const;
    void give_wrong_pin() const;

 protected:
    /// The `pin` of the configuration.
    [[nodiscard]] std::string pin_source() const;

    [[nodiscard]] const ::hwenroll::test::TemporaryDirectory& directory() const { return directory_; }

 private:
    ::hwenroll::test::TemporaryDirectory directory_;
    std::string right_pin_;
    Abilities abilities_;
};

/// How a world comes to be.
struct WorldPlan {
    /// What this machine lacks for it, with the package's name; nothing when all is there.
    std::function<std::optional<std::string>()> missing;
    std::function<std::unique_ptr<TokenWorld>()> make;
};

/// For GoogleTest's messages.
void PrintTo(const WorldPlan& plan, std::ostream* out);

}  // namespace hwenroll::keystore::test
