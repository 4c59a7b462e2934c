// What is published, between the identity machine's terms and the publisher's.
#pragma once

#include <optional>
#include <string>

#include "agent/lifecycle/step.h"
#include "agent/publish/publisher.h"

namespace hwenroll::runtime {

/// What the machine is told at a start about the files that consumers see; nothing: there are none. `token_uri` is the
/// configuration's.
lifecycle::Started started_with(const lifecycle::IdentityState& state,
                                const std::optional<publish::PublishedState>& published, const std::string& token_uri);

/// The files of a credential that is to be published. Error code: scep_structure, of a stored certificate.
Result<publish::Generation> generation_of(const std::string& identity, const lifecycle::Credential& next,
                                          const std::string& token_uri);

}  // namespace hwenroll::runtime
