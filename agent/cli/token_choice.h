// Which token `hwenroll init` configures for the key.
#pragma once

#include "agent/cli/configuration_draft.h"
#include "agent/cli/init_dialogue.h"
#include "agent/cli/service_access.h"
#include "agent/config/configuration.h"
#include "base/result.h"

namespace hwenroll::cli {

/// The section, and what the agent's service needs for it.
struct TokenChoice {
    ConfigurationDraft::Token section;
    ServiceNeeds needs;
};

/// The token that `dialogue`'s options name: of `existing`, or of this machine; where they leave several, whoever sits
/// at the terminal is asked. Errors: usage, token_absent.
Result<TokenChoice> choose_token(InitDialogue& dialogue, const config::Configuration& existing);

}  // namespace hwenroll::cli
