#include "agent/cli/agent_access.h"

#include <algorithm>
#include <utility>

#include "agent/config/suggestion.h"
#include "agent/control/authority_view.h"
#include "agent/control/identity_view.h"
#include "agent/runtime/forecast.h"
#include "agent/runtime/orphan_identities.h"
#include "agent/runtime/system_clock.h"
#include "agent/store/state_directory.h"

namespace hwenroll::cli {
namespace {

control::ConfiguredIdentity configured_identity(const config::Configuration& configuration, const std::string& name) {
    control::ConfiguredIdentity identity;
    identity.name = name;
    identity.publish_dir = configuration.agent.publish_dir;
    if (const auto found = configuration.identities.find(name); found != configuration.identities.end()) {
        identity.ca = found->second.ca;
        identity.token = found->second.token;
        identity.subject = found->second.subject.text();
        return identity;
    }
    for (const config::Finding& finding : configuration.findings) {
        if (!identity.fault && finding.part == config::Part::identity && finding.name == name) {
            identity.fault = finding.error;
        }
    }
    return identity;
}

Result<control::IdentityView> stored_view(const config::Configuration& configuration, store::Store* store,
                                          const std::string& name, const std::optional<Error>& orphan, TimePoint now) {
    const auto enabled = configuration.identities.find(name);
    if (enabled == configuration.identities.end()) {
        const auto state = store != nullptr ? store->identity(name) : lifecycle::IdentityState();
        control::ConfiguredIdentity configured = configured_identity(configuration, name);
        configured.fault = orphan ? orphan : configured.fault;
        return state ? control::view_of(configured, *state, now) : fail(state.error());
    }
    const auto stored = runtime::read_stored(configuration, enabled->second, store, now);
    if (!stored) {
        return fail(stored.error());
    }
    auto view = control::view_of(configured_identity(configuration, name), stored->state, now);
    if (view) {
        view->notice = lifecycle::candidate_text(stored->authority, view->ca);
        view->renew_at = lifecycle::renewal_time(stored->state, stored->policy);
    }
    return view;
}

/// Of one identity, or of all, those that have left the configuration included.
Result<std::vector<control::IdentityView>> stored_views(const config::Configuration& configuration,
                                                        const std::optional<std::string>& identity) {
    auto store = open_store(configuration);
    auto orphans = store && *store ? runtime::orphan_identities(**store, configuration)
                                   : Result<std::map<std::string, Error>>(std::map<std::string, Error>());
    if (!store || !orphans) {
        return fail(!store ? store.error() : orphans.error());
    }
    std::set<std::string> names{identity.value_or("")};
    if (!identity) {
        names = all_names(configuration);
        for (const auto& [name, fault] : *orphans) {
            names.insert(name);
        }
    } else if (!orphans->contains(*identity)) {
        if (const Status known = check_known(configuration, *identity); !known) {
            return fail(known.error());
        }
    }
    const auto clock = runtime::make_clock();
    if (!clock) {
        return fail(clock.error());
    }
    const TimePoint now = (*clock)->now();
    std::vector<control::IdentityView> views;
    for (const std::string& name : names) {
        const auto orphan = orphans->find(name);
        const std::optional<Error> fault = orphan == orphans->end() ? std::nullopt : std::optional(orphan->second);
        auto view = stored_view(configuration, *store ? &**store : nullptr, name, fault, now);
        if (!view) {
            return fail(view.error());
        }
        views.push_back(*std::move(view));
    }
    return views;
}

/// What the last logins say of a token.
control::TokenView stored_view(const std::string& name, const std::vector<store::LoginRecord>& logins) {
    control::TokenView view;
    view.name = name;
    view.state = logins.empty() ? "unused" : "up";
    for (const store::LoginRecord& login : logins) {
        if (login.outcome == store::LoginRecordOutcome::refused) {
            view.state = "failed";
            view.failure = "it refused the PIN from '" + login.source + "' at " + to_iso8601(login.begun_at);
        }
    }
    return view;
}

std::optional<control::Health> stored_health(const config::Configuration& configuration) {
    auto store = open_store(configuration);
    const auto clock = runtime::make_clock();
    if (!store || !*store || !clock) {
        return std::nullopt;
    }
    control::Health health;
    health.at = (*clock)->now();
    for (const auto& [name, settings] : configuration.authorities) {
        if (const auto state = (*store)->authority(name)) {
            health.authorities.push_back(control::view_of(name, *state));
        }
    }
    for (const auto& [name, settings] : configuration.tokens) {
        if (const auto logins = (*store)->logins_of_section(name)) {
            health.tokens.push_back(stored_view(name, *logins));
        }
    }
    return health;
}

/// What has a history: (kind, name).
std::vector<std::pair<std::string, std::string>> subjects(const config::Configuration& configuration,
                                                          const std::optional<std::string>& identity) {
    if (identity) {
        return {{"identity", *identity}};
    }
    std::vector<std::pair<std::string, std::string>> all;
    for (const std::string& name : all_names(configuration)) {
        all.emplace_back("identity", name);
    }
    for (const auto& [name, settings] : configuration.authorities) {
        all.emplace_back("authority", name);
    }
    for (const auto& [name, settings] : configuration.tokens) {
        all.emplace_back("token", name);
    }
    return all;
}

Result<std::vector<control::HistoryEvent>> stored_history(const config::Configuration& configuration,
                                                          const std::optional<std::string>& identity,
                                                          std::int64_t limit) {
    auto store = open_store(configuration);
    if (!store) {
        return fail(store.error());
    }
    std::vector<control::HistoryEvent> events;
    for (const auto& [kind, name] : subjects(configuration, identity)) {
        auto entries = *store ? (*store)->history(kind, name, limit) : std::vector<store::HistoryEntry>();
        if (!entries) {
            return fail(entries.error());
        }
        for (store::HistoryEntry& entry : *entries) {
            events.push_back({std::move(entry.kind), std::move(entry.name), entry.at, std::move(entry.text)});
        }
    }
    // Stable: entries of one second keep the order in which they were written.
    std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.at > b.at; });
    events.resize(std::min(events.size(), static_cast<std::size_t>(limit)));
    return events;
}

}  // namespace

Result<std::optional<store::Store>> open_store(const config::Configuration& configuration) {
    std::error_code failure;
    if (!std::filesystem::exists(store::database_path(configuration.agent.state_dir), failure) && !failure) {
        return std::optional<store::Store>();
    }
    auto store = store::Store::open_read_only(configuration.agent.state_dir);
    if (!store) {
        return fail(store.error());
    }
    return std::optional(*std::move(store));
}

namespace {

/// A reader waits for an agent that hangs for no longer than these together.
constexpr std::chrono::milliseconds accepted_within{1000};
constexpr std::chrono::milliseconds answered_within{4000};

Result<control::Client> connect_within([[maybe_unused]] const config::AgentSettings& agent,
                                       [[maybe_unused]] std::chrono::milliseconds time) {
#ifndef HWENROLL_CONTROL
    return fail(ErrorCode::control_no_agent, "cannot ask the agent",
                "this hwenroll was built without the control socket (HWENROLL_CONTROL=OFF)",
                "'hwenrolld --once' does all that is due; for more use a build with it");
#else
    control::ClientOptions options;
    options.runtime_dir = agent.runtime_dir;
    options.admin_group = agent.admin_group;
    options.connect_time = time;
    return control::Client::connect(options);
#endif
}

Error silence_of(const Error& error) {
    return Error(ErrorCode::control_deadline, error.what(), error.why(),
                 "what it has left in its state directory is shown; 'systemctl restart hwenrolld' if it stays so");
}

}  // namespace

Result<control::Client> connect(const config::AgentSettings& agent) {
    return connect_within(agent, control::ClientOptions().connect_time);
}

Result<FoundAgent> agent_to_read(const config::AgentSettings& agent) {
    auto client = connect_within(agent, accepted_within);
    const Status answers = client ? client->ping(answered_within) : Status(fail(client.error()));
    // An agent of an earlier version answers too, if only that it does not know the question.
    if (answers || (client && answers.error().code() == ErrorCode::control_protocol)) {
        return FoundAgent{*std::move(client), {}, {}};
    }
    if (answers.error().code() == ErrorCode::control_no_agent) {
        return FoundAgent{};
    }
    if (answers.error().code() == ErrorCode::control_deadline) {
        return FoundAgent{{}, {}, silence_of(answers.error())};
    }
    return fail(answers.error());
}

Result<FoundAgent> agent_to_read(const config::ConfigurationPaths& paths) {
    const auto agent = config::load_agent_settings(paths);
    return agent ? agent_to_read(*agent) : fail(agent.error());
}

void report_silence(const CommandContext& context, const FoundAgent& agent) {
    if (agent.silence) {
        report(context, *agent.silence);
    }
}

Result<std::optional<control::Client>> connect_if_running(const config::AgentSettings& agent) {
    auto client = connect(agent);
    if (client) {
        return std::optional(*std::move(client));
    }
    if (client.error().code() == ErrorCode::control_no_agent) {
        return std::optional<control::Client>();
    }
    return fail(client.error());
}

Result<std::optional<control::Client>> connect_if_running(const config::ConfigurationPaths& paths) {
    const auto agent = config::load_agent_settings(paths);
    return agent ? connect_if_running(*agent) : fail(agent.error());
}

Result<FoundAgent> find_agent(const config::ConfigurationPaths& paths) {
    auto agent = agent_to_read(paths);
    if (agent) {
        return agent;
    }
    if (agent.error().info().remedy != Remedy::change_config || agent.error().code() == ErrorCode::control_denied) {
        return fail(agent.error());
    }
    auto guessed = agent_to_read(config::guess_agent_settings(paths));
    if (!guessed || !guessed->client) {
        return fail(agent.error());
    }
    return FoundAgent{
        std::move(guessed->client),
        "the configuration on disk is broken, the agent goes on with what it had: " + agent.error().line(),
        {}};
}

std::optional<control::Health> health(const config::ConfigurationPaths& paths, std::optional<control::Client>& agent) {
    if (agent) {
        const auto told = agent->health();
        return told ? std::optional(*told) : std::nullopt;
    }
    const auto configuration = config::load(paths);
    return configuration ? stored_health(*configuration) : std::nullopt;
}

std::set<std::string> all_names(const config::Configuration& configuration) {
    std::set<std::string> names;
    for (const auto& [name, settings] : configuration.identities) {
        names.insert(name);
    }
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity) {
            names.insert(finding.name);
        }
    }
    return names;
}

Status check_known(const config::Configuration& configuration, const std::string& identity) {
    const std::set<std::string> names = all_names(configuration);
    if (names.contains(identity)) {
        return {};
    }
    return fail(config::no_such_name("identity", identity, {names.begin(), names.end()}));
}

Result<std::vector<control::IdentityView>> identity_views(const config::ConfigurationPaths& paths,
                                                          std::optional<control::Client>& agent,
                                                          const std::optional<std::string>& identity) {
    if (agent) {
        return agent->status(identity);
    }
    const auto configuration = config::load(paths);
    if (!configuration) {
        return fail(configuration.error());
    }
    return stored_views(*configuration, identity);
}

Result<control::Overview> identity_overview(const config::ConfigurationPaths& paths,
                                            std::optional<control::Client>& agent) {
    if (agent) {
        return agent->overview();
    }
    const auto views = identity_views(paths, agent, {});
    return views ? Result<control::Overview>(control::overview_of(*views)) : fail(views.error());
}

Result<std::vector<control::HistoryEvent>> history_events(const config::ConfigurationPaths& paths,
                                                          std::optional<control::Client>& agent,
                                                          const std::optional<std::string>& identity,
                                                          std::int64_t limit) {
    if (agent) {
        return agent->history(identity, limit);
    }
    const auto configuration = config::load(paths);
    if (!configuration) {
        return fail(configuration.error());
    }
    auto events = stored_history(*configuration, identity, limit);
    // One that has left the configuration has its history still.
    if (const Status known = identity ? check_known(*configuration, *identity) : Status();
        !known && events && events->empty()) {
        return fail(known.error());
    }
    return events;
}

}  // namespace hwenroll::cli
