#include "agent/runtime/orphan_identities.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace hwenroll::runtime {
namespace {

/// One that a fault disables is configured all the same, and a file that cannot be read may configure any.
bool may_be_configured(const std::string& name, const config::Configuration& configuration) {
    return configuration.identities.contains(name) ||
           std::ranges::any_of(configuration.findings, [&](const config::Finding& finding) {
               return finding.part == config::Part::file ||
                      (finding.part == config::Part::identity && finding.name == name);
           });
}

/// The section of the token that has its keys; empty: none, or none that is configured.
std::string token_of(const std::string& name, const std::vector<store::KeyOwner>& owners,
                     const config::Configuration& configuration) {
    const auto found = std::ranges::find(owners, name, &store::KeyOwner::identity);
    return found != owners.end() && configuration.tokens.contains(found->token) ? found->token : std::string();
}

Error orphan(const std::string& name, TimePoint not_after, const std::string& token) {
    const std::string purge =
        token.empty() ? std::string()
                      : fmt::format(
                            ", or see what is left on its token with 'hwenroll token purge {} --identity {}' "
                            "while hwenrolld does not run",
                            token, name);
    return Error(ErrorCode::unknown_name, "it is not configured any more and not renewed",
                 "its certificate is valid until " + to_iso8601(not_after) + ", its key and what is published stay",
                 "put its section back" + purge)
        .about(name);
}

}  // namespace

Result<std::map<std::string, Error>> orphan_identities(store::Store& store,
                                                       const config::Configuration& configuration) {
    const auto names = store.identities();
    const auto owners = names ? store.key_owners() : fail(names.error());
    if (!owners) {
        return fail(owners.error());
    }
    std::map<std::string, Error> orphans;
    for (const std::string& name : *names) {
        if (may_be_configured(name, configuration)) {
            continue;
        }
        const auto state = store.identity(name);
        if (!state) {
            return fail(state.error());
        }
        if (state->current) {
            orphans.emplace(name,
                            orphan(name, state->current->issued.not_after, token_of(name, *owners, configuration)));
        }
    }
    return orphans;
}

}  // namespace hwenroll::runtime
