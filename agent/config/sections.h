// One function for each kind of section. Internal to this module.
#pragma once

#include <optional>

#include "agent/config/configuration.h"
#include "agent/config/host_facts.h"
#include "agent/config/section_reader.h"

namespace hwenroll::config {

/// Each reads all keys and calls finish(). With a finding the result of read_agent, read_token, read_authority and
/// read_identity is nothing; read_limits keeps the defaults of the keys at fault.
std::optional<AgentSettings> read_agent(SectionReader& reader);
LimitSettings read_limits(SectionReader& reader);
std::optional<TokenSettings> read_token(SectionReader& reader, std::string_view name);
std::optional<AuthoritySettings> read_authority(SectionReader& reader, std::string_view name);

/// `name` is already expanded. References to CA and token are not looked up here.
std::optional<IdentitySettings> read_identity(SectionReader& reader, std::string_view name, const HostFacts& facts);

}  // namespace hwenroll::config
