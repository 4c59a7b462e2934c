// Reads the configuration files of this machine. The only I/O of this module.
#pragma once

#include <filesystem>
#include <string>

#include "agent/config/configuration.h"
#include "agent/config/host_facts.h"

namespace hwenroll::config {

/// Which files make up the configuration.
struct ConfigurationPaths {
    std::filesystem::path main = "/etc/hwenroll/hwenroll.toml";
    std::filesystem::path drop_ins = "/etc/hwenroll/conf.d";  ///< its *.toml in name order; empty: none
};

/// `--config FILE`, which replaces both.
ConfigurationPaths only(std::filesystem::path file);

/// Reads, checks and merges. A drop-in that cannot be read, is larger than 1 MiB or may be written by everybody becomes
/// a finding and is skipped; the same of the main file is an error (F8). Errors: config_file, and those of
/// read_configuration. Blocks on the file system; calls the resolver once if a file uses ${fqdn}.
Result<Configuration> load(const ConfigurationPaths& paths);

/// What [agent] says; nothing else is looked at. Errors as above.
Result<AgentSettings> load_agent_settings(const ConfigurationPaths& paths);

/// Configuration::digest of the files as they are now, which need not be good. Errors: config_file.
Result<Bytes> digest_of(const ConfigurationPaths& paths);

/// What can be made out of [agent] in files that load_agent_settings() refuses: the last line of them that looks like
/// `runtime_dir = "/…"`, and else the defaults. To find a running agent by, and for nothing else.
AgentSettings guess_agent_settings(const ConfigurationPaths& paths);

/// As load(), with facts of the caller's choosing.
Result<Configuration> load(const ConfigurationPaths& paths, const HostFacts& facts);

/// This machine's facts. `with_fqdn` may ask the resolver, which may take its time-out.
HostFacts read_host_facts(bool with_fqdn);

}  // namespace hwenroll::config
