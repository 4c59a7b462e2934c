// `hwenroll resume`: an operator's word that a PIN or a hold has been seen to (ADR 0007).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/config/configuration.h"
#include "agent/store/store.h"
#include "base/clock.h"

namespace hwenroll::runtime {

/// config::Configuration::tokens.
using TokenSections = std::map<std::string, config::TokenSettings, std::less<>>;

/// What resuming has changed.
struct Resumption {
    std::string token;                  ///< the section whose PIN this is about: the identity's, or that of `signer`
    bool hold_released = false;         ///< the identity was held, or waited for a PIN or as its CA had asked
    bool pin_released = false;          ///< a refused PIN or a login of unknown outcome was on record, and is forgotten
    bool pin_file_must_change = false;  ///< the token's PIN file was refused and is as it was then
    bool delivery_retried = false;      ///< consumers were told in vain, and are told again
};

/// Forgets the logins to a token, but for refused PIN files, which only a change frees. Error code: state_database.
Status release_pin(store::Store& store, const config::TokenSettings& token, TimePoint now, Resumption& done);

/// The same for each token that the identity works with. `done` is about the first one that waits for an operator, and
/// about its own token where none does.
Status release_pins(store::Store& store, const TokenSections& tokens, const config::IdentitySettings& identity,
                    TimePoint now, Resumption& done);

/// Ends the identity's hold, the wait that its CA asked for and a failed delivery's pause, and forgets the logins to
/// its tokens, whatever section's name they are recorded under, but for refused PIN files, which only a change frees.
/// Takes the state directory's lock; makes no state directory. Errors: state_locked (an agent runs), state_directory,
/// state_database, state_version.
Result<Resumption> resume(const config::AgentSettings& agent, const TokenSections& tokens,
                          const config::IdentitySettings& identity, const Clock& clock);

}  // namespace hwenroll::runtime
