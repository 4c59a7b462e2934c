#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/output_file.h"
#include "agent/control/view_codec.h"
#include "agent/observe/status_words.h"
#include "agent/runtime/forecast.h"
#include "agent/runtime/orphan_identities.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

/// What state.db knows of an identity. The agent's own counters, its clock and its tokens are nobody's but its own.
Status add_stored(observe::Metrics& metrics, const config::Configuration& configuration, store::Store* store,
                  const std::string& name, TimePoint now) {
    const auto found = configuration.identities.find(name);
    if (found == configuration.identities.end()) {
        const auto state = store != nullptr ? store->identity(name) : lifecycle::IdentityState();
        if (!state) {
            return fail(state.error());
        }
        metrics.add({name, "DISABLED", &*state});
        return {};
    }
    const auto stored = runtime::read_stored(configuration, found->second, store, now);
    if (!stored) {
        return fail(stored.error());
    }
    const lifecycle::AuthorityFacts& authority = stored->policy.authority;
    metrics.add({name, observe::status_word(stored->state, now), &stored->state,
                 lifecycle::renewal_time(stored->state, stored->policy),
                 authority.anchor.empty() ? std::nullopt : std::optional(authority.not_after)});
    return {};
}

Result<observe::Metrics> stored_metrics(const config::ConfigurationPaths& paths) {
    const auto configuration = config::load(paths);
    if (!configuration) {
        return fail(configuration.error());
    }
    auto store = open_store(*configuration);
    const auto clock = store ? runtime::make_clock() : fail(store.error());
    if (!clock) {
        return fail(clock.error());
    }
    observe::Metrics metrics;
    metrics.add("hwenroll_up", {}, 0);
    std::set<std::string> names = all_names(*configuration);
    if (*store) {
        const auto orphans = runtime::orphan_identities(**store, *configuration);
        for (const auto& [name, fault] : orphans.value_or(std::map<std::string, Error>())) {
            names.insert(name);
        }
    }
    for (const std::string& name : names) {
        if (const Status added =
                add_stored(metrics, *configuration, *store ? &**store : nullptr, name, (*clock)->now());
            !added) {
            return fail(added.error());
        }
    }
    return metrics;
}

Result<observe::Metrics> metrics_now(const CommandContext& context) {
    auto agent = agent_to_read(context.paths);
    if (!agent) {
        return fail(agent.error());
    }
    report_silence(context, *agent);
    return agent->client ? agent->client->metrics() : stored_metrics(context.paths);
}

}  // namespace

int metrics(const CommandContext& context, const std::optional<std::string>& textfile) {
    constexpr mode_t readable_by_all = 0644;
    const auto metrics = metrics_now(context);
    if (!metrics) {
        return report(context, metrics.error());
    }
    if (textfile) {
        const Status written = write_output(*textfile, observe::prometheus_text(metrics->families()),
                                            {Existing::replace, readable_by_all});
        return written ? 0 : report(context, written.error());
    }
    if (context.output.json) {
        nlohmann::json body{{"metrics", nlohmann::json::array()}};
        for (const observe::MetricFamily& family : metrics->families()) {
            if (!family.samples.empty()) {
                body["metrics"].push_back(control::to_json(family));
            }
        }
        print_json("metrics", std::move(body));
        return 0;
    }
    std::fputs(observe::prometheus_text(metrics->families()).c_str(), stdout);
    return 0;
}

}  // namespace hwenroll::cli
