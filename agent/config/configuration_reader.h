// From the texts of the configuration files to a Configuration, without I/O.
#pragma once

#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/config/host_facts.h"

namespace hwenroll::config {

/// One configuration file as read.
struct SourceText {
    std::string name;  ///< used in locations
    std::string text;
};

/// Reads, checks and merges; never throws on any text. `sources.front()` is hwenroll.toml or the file of --config, the
/// others come in name order. The keys of [agent] and [limits] may be spread over files, every other section stands in
/// one. Errors: config_syntax when the first source is no TOML; the first fault of [agent], whatever its code. All
/// else ends in Configuration::findings.
Result<Configuration> read_configuration(const std::vector<SourceText>& sources, const HostFacts& facts);

/// The same of [agent] only: nothing else is looked at, so that there are no findings about it, and what is no TOML
/// there is no error unless it hides where [agent] is (excerpt_of()). Thousands of identities cost next to nothing.
Result<AgentSettings> read_agent_settings(const std::vector<SourceText>& sources);

}  // namespace hwenroll::config
