// The keys in use, tested by the agent's own logins.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/control/service.h"
#include "agent/runtime/token_access.h"

namespace hwenroll::runtime {

/// One signature, and one decryption or, where replies come by it (`agrees`), one agreement. For the token's thread.
Status test_key(keystore::Token& token, const keystore::KeyReference& key, bool agrees);

/// A key to test, or why it is not tested.
struct KeyToTry {
    std::shared_ptr<TokenAccess> token;  ///< nullptr: not tested, and the view says why
    std::optional<keystore::KeyReference> key;
    bool agrees = false;
    control::KeyTestView view = {};
};

/// `view` with that outcome.
control::KeyTestView untested(control::KeyTestView view, std::string reason, std::string next);

/// One round of tests at a time; in it each token tests its keys one after the other, beside the other tokens. On the
/// loop's thread, which the loop outlives.
class KeyTests {
 public:
    using Done = std::function<void(std::vector<control::KeyTestView>)>;
    /// Why an identity's key is not to be used now; empty: it may be.
    using Impediment = std::function<std::string(const std::string& identity)>;

    /// `patience`: what has no outcome by then is untested.
    KeyTests(EventLoop& loop, Impediment impediment, std::chrono::milliseconds patience = std::chrono::seconds(30))
        : loop_(loop), impediment_(std::move(impediment)), patience_(patience) {}
    KeyTests(const KeyTests&) = delete;
    KeyTests& operator=(const KeyTests&) = delete;
    ~KeyTests() = default;

    /// `done` is told once, within the patience, in the order of `keys`, unless this ends before. While an earlier
    /// round has a use of a key under way, however long ago it was answered, nothing is tested.
    void begin(std::vector<KeyToTry> keys, Done done);

 private:
    struct Round;
    void begin_token(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token);
    void next_of(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token);
    void test(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token, std::size_t index);
    void end_token(const std::shared_ptr<Round>& round);
    void answer(Round& round);

    EventLoop& loop_;
    Impediment impediment_;
    std::chrono::milliseconds patience_;
    std::shared_ptr<Round> round_;
};

}  // namespace hwenroll::runtime
