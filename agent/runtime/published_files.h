// What is published, between the identity machine's terms and the publisher's.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/lifecycle/step.h"
#include "agent/publish/publisher.h"

namespace hwenroll::runtime {

/// Where consumers find an identity's keys.
struct KeyPlace {
    std::string token_uri;           ///< the configuration's; of a token that keeps its keys
    std::filesystem::path key_file;  ///< by the link `current`; of a key that its token has wrapped
};

/// What the machine is told at a start about the files that consumers see; nothing: there are none.
lifecycle::Started started_with(const lifecycle::IdentityState& state,
                                const std::optional<publish::PublishedState>& published, const KeyPlace& place);

/// True of what tells the state that consumers see another certificate than it says. Where that cannot be recorded the
/// files are to be looked at again before anything is decided: what it has replaced would be published over it
/// (invariant 3).
bool says_what_consumers_see(const lifecycle::Event& event);

/// The files of a credential that is to be published. Error code: scep_structure, of a stored certificate.
Result<publish::Generation> generation_of(const std::string& identity, const lifecycle::Credential& next,
                                          const KeyPlace& place);

}  // namespace hwenroll::runtime
