// How a command reaches the agent: through its control socket while it runs, in its state directory otherwise.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/cli/commands.h"
#include "agent/config/configuration.h"
#include "agent/config/loader.h"
#include "agent/control/client.h"
#include "agent/control/service.h"
#include "agent/store/store.h"

namespace hwenroll::cli {

/// A connection to the agent of these settings. Errors: those of Client::connect.
Result<control::Client> connect(const config::AgentSettings& agent);

/// A connection if an agent listens, nothing if none does. Errors: the others of Client::connect, since an agent that
/// cannot be asked may still be at work.
Result<std::optional<control::Client>> connect_if_running(const config::AgentSettings& agent);

/// The same for what these files configure, of which only [agent] is read. Errors: those of the configuration too.
Result<std::optional<control::Client>> connect_if_running(const config::ConfigurationPaths& paths);

/// An agent, and what is to be said about how it was found.
struct FoundAgent {
    std::optional<control::Client> client;  ///< nothing: none runs, or none that answers
    std::string remark;                     ///< one line; empty: nothing
    std::optional<Error> silence = {};      ///< one listens and does not answer
};

/// An agent for what only reads: one that does not answer within five seconds is told, and what state.db says may be
/// read in its place. Errors: those of connect_if_running() but for control_deadline.
Result<FoundAgent> agent_to_read(const config::AgentSettings& agent);

/// The same for what these files configure. Errors: those of the configuration too.
Result<FoundAgent> agent_to_read(const config::ConfigurationPaths& paths);

/// On standard error, if it does not answer.
void report_silence(const CommandContext& context, const FoundAgent& agent);

/// As agent_to_read(), but beside a configuration that cannot be used too: a running agent is looked for where the
/// files seem to say, and the remark says that they are broken. Errors: as there, when no agent is found either.
Result<FoundAgent> find_agent(const config::ConfigurationPaths& paths);

/// What the running agent says of itself, its CAs and its tokens; without one, what state.db says of them. Nothing when
/// it cannot be had, which is no failure of whoever shows it beside something else.
std::optional<control::Health> health(const config::ConfigurationPaths& paths, std::optional<control::Client>& agent);

/// Names of all identities of the configuration, disabled ones included.
std::set<std::string> all_names(const config::Configuration& configuration);

/// Error code: unknown_name.
Status check_known(const config::Configuration& configuration, const std::string& identity);

/// state.db, or nothing when the agent has never run here. Errors: those of store::Store::open_read_only().
Result<std::optional<store::Store>> open_store(const config::Configuration& configuration);

/// How identities are, from `agent` or, without one, from state.db: all, or one. Errors: unknown_name, and those of the
/// configuration, the connection or the store.
Result<std::vector<control::IdentityView>> identity_views(const config::ConfigurationPaths& paths,
                                                          std::optional<control::Client>& agent,
                                                          const std::optional<std::string>& identity);

/// How all identities are, in short. Errors as identity_views().
Result<control::Overview> identity_overview(const config::ConfigurationPaths& paths,
                                            std::optional<control::Client>& agent);

/// The newest entries first, from `agent` or, without one, from state.db: of one identity, or of everything in the
/// configuration. Errors as identity_views().
Result<std::vector<control::HistoryEvent>> history_events(const config::ConfigurationPaths& paths,
                                                          std::optional<control::Client>& agent,
                                                          const std::optional<std::string>& identity,
                                                          std::int64_t limit);

}  // namespace hwenroll::cli
