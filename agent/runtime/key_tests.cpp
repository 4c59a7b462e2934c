#include "agent/runtime/key_tests.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "keystore/openssl/self_test.h"

namespace hwenroll::runtime {

using control::KeyTestView;

Status test_key(keystore::Token& token, const keystore::KeyReference& key, bool agrees) {
    if (Status signs = keystore::signing_self_test(token, key); !signs) {
        return signs;
    }
    return agrees ? keystore::agreement_self_test(token, key) : keystore::opening_self_test(token, key);
}

KeyTestView untested(KeyTestView view, std::string reason, std::string next) {
    view.outcome = "untested";
    view.reason = std::move(reason);
    view.next = std::move(next);
    return view;
}

struct KeyTests::Round {
    std::vector<KeyToTry> keys;
    Done done;               ///< empty: told
    std::size_t tokens = 0;  ///< that are not through
    Watch deadline;
};

void KeyTests::begin(std::vector<KeyToTry> keys, Done done) {
    auto round = std::make_shared<Round>();
    round->keys = std::move(keys);
    round->done = std::move(done);
    std::vector<std::shared_ptr<TokenAccess>> tokens;
    for (KeyToTry& key : round->keys) {
        if (key.token && round_) {
            key.view = untested(std::move(key.view), "another test of keys is under way", "hwenroll doctor");
        } else if (key.token && std::ranges::find(tokens, key.token) == tokens.end()) {
            tokens.push_back(key.token);
        }
    }
    if (tokens.empty()) {
        return answer(*round);
    }
    round_ = round;
    round->tokens = tokens.size();
    round->deadline = loop_.after(patience_, [this, weak = std::weak_ptr<Round>(round)] {
        if (const auto late = weak.lock()) {
            answer(*late);
        }
    });
    for (const auto& token : tokens) {
        begin_token(round, token);
    }
}

/// A token that is at work is not made to do this too: it may be a first sign of one that hangs, or of an enrollment.
void KeyTests::begin_token(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token) {
    if (token->condition().busy_since) {
        for (KeyToTry& key : round->keys) {
            if (key.token == token) {
                key.view = untested(std::move(key.view), "its token is at work for the agent", "hwenroll doctor");
            }
        }
    }
    next_of(round, token);
}

void KeyTests::next_of(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token) {
    for (std::size_t index = 0; round->done && index < round->keys.size(); ++index) {
        KeyToTry& key = round->keys[index];
        if (key.token != token || !key.view.outcome.empty()) {
            continue;
        }
        if (std::string why = impediment_(key.view.identity); !why.empty()) {
            key.view = untested(std::move(key.view), std::move(why), "hwenroll wait " + key.view.identity);
            continue;
        }
        return test(round, token, index);
    }
    end_token(round);
}

void KeyTests::test(const std::shared_ptr<Round>& round, const std::shared_ptr<TokenAccess>& token, std::size_t index) {
    const KeyToTry& tried = round->keys[index];
    // The round alone keeps the token: what is left of a job is destroyed on the token's thread, which cannot end
    // itself.
    token->use([key = *tried.key, agrees = tried.agrees](
                   const std::shared_ptr<keystore::Token>& device) { return test_key(*device, key, agrees); },
               [this, weak = std::weak_ptr<Round>(round), index](const Status& outcome) {
                   const auto still = weak.lock();
                   if (!still) {
                       return;  // and this is gone as well
                   }
                   KeyTestView& view = still->keys[index].view;
                   if (still->done && outcome) {
                       view.outcome = "tested";
                   } else if (still->done) {
                       const Error& error = outcome.error();
                       view.outcome = "failed";
                       view.error = error.code();
                       view.reason =
                           error.why().empty() ? error.what() : fmt::format("{} ({})", error.what(), error.why());
                       view.next = error.next();
                   }
                   // Later: a login that is not permitted is told at once, and for each key within the one before it.
                   loop_.post([this, weak, index] {
                       if (const auto same = weak.lock()) {
                           next_of(same, same->keys[index].token);
                       }
                   });
               });
}

void KeyTests::end_token(const std::shared_ptr<Round>& round) {
    if (--round->tokens > 0) {
        return;
    }
    answer(*round);
    // Later: a token that the configuration has let go of ends with the round, and this is its own call.
    loop_.post([this, weak = std::weak_ptr<Round>(round)] {
        if (const auto over = weak.lock(); over && over == round_) {
            round_.reset();
        }
    });
}

void KeyTests::answer(Round& round) {
    const Done done = std::exchange(round.done, {});
    if (!done) {
        return;
    }
    round.deadline.reset();
    std::vector<KeyTestView> views;
    for (KeyToTry& key : round.keys) {
        if (key.view.outcome.empty()) {
            key.view =
                untested(std::move(key.view),
                         fmt::format("no outcome within {} s",
                                     std::chrono::duration_cast<std::chrono::duration<double>>(patience_).count()),
                         "hwenroll status");
        }
        views.push_back(key.view);
    }
    done(std::move(views));
}

}  // namespace hwenroll::runtime
