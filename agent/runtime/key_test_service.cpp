// AgentService: the keys that are to be tested, and those that are not.
#include <limits>
#include <utility>

#include "agent/runtime/agent_service.h"

namespace hwenroll::runtime {

using control::KeyTestView;

/// Why its key is not to be used now; empty: it may be.
std::string AgentService::impediment_of(const std::string& identity) {
    if (rest_) {
        return rest_->line();
    }
    const IdentityRunner* const found = agent_.find(identity);
    return found == nullptr ? "it has left the configuration" : found->busy() ? "it is at work" : found->impediment();
}

/// Nothing for an identity that publishes nothing.
std::optional<KeyToTry> AgentService::key_to_try(const std::string& identity) {
    KeyTestView view;
    view.identity = identity;
    if (rest_) {
        return KeyToTry{{}, {}, false, untested(view, rest_->line(), std::string(rest_->next()))};
    }
    const IdentityRunner* const found = agent_.find(identity);
    if (found == nullptr) {
        const auto fault = fault_of(identity);
        return KeyToTry{{},
                        {},
                        false,
                        untested(view, fault ? fault->line() : "its configuration was not taken over yet",
                                 fault && fault->code() == ErrorCode::unknown_name ? std::string(fault->next())
                                                                                   : "hwenroll check-config")};
    }
    const auto& current = found->state().current;
    if (!current && found->impediment().empty()) {
        return std::nullopt;
    }
    if (const std::string why = impediment_of(identity); !why.empty()) {
        return KeyToTry{{}, {}, false, untested(view, why, "hwenroll wait " + identity)};
    }
    view.token = current->key.token.empty() ? found->settings().token : current->key.token;
    const auto key = reference_of(current->key);
    const auto token = agent_.tokens().find(view.token);
    if (!key || token == agent_.tokens().end()) {
        const std::string why = key ? "token '" + view.token + "' is not configured any more" : key.error().line();
        return KeyToTry{{}, {}, false, untested(view, why, "hwenroll status " + identity)};
    }
    view.key = key->public_key.text();
    const AuthorityAccess* const authority = agent_.find_authority(found->settings().ca);
    const auto envelope = authority == nullptr ? config::EnvelopeMode::automatic : authority->settings().envelope;
    const bool agrees = config::envelope_for(found->settings().key, envelope) == config::EnvelopeMode::agree;
    return KeyToTry{token->second, *key, agrees, view};
}

void AgentService::test_keys(const std::optional<std::string>& identity, Tested done) {
    if (identity && !is_known(*identity)) {
        return done(fail(ErrorCode::unknown_name, "there is no identity '" + *identity + "'"));
    }
    std::vector<KeyToTry> keys;
    for (const std::string& name :
         identity ? std::vector{*identity} : names({}, std::numeric_limits<std::size_t>::max())) {
        if (auto key = key_to_try(name)) {
            keys.push_back(*std::move(key));
        } else if (identity) {
            KeyTestView view;
            view.identity = name;
            keys.push_back({{}, {}, false, untested(view, "it publishes nothing yet", "hwenroll status " + name)});
        }
    }
    key_tests_.begin(std::move(keys),
                     [done = std::move(done)](std::vector<KeyTestView> tests) { done(std::move(tests)); });
}

}  // namespace hwenroll::runtime
