#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/configuration_draft.h"
#include "agent/cli/proposed_command.h"
#include "agent/config/suggestion.h"
#include "agent/runtime/queries.h"
#include "agent/runtime/system_clock.h"
#include "agent/runtime/token_access.h"

namespace hwenroll::cli {
namespace {

constexpr std::chrono::seconds list_deadline{30};

std::string pin_state(const keystore::TokenDescription& token) {
    if (!token.login_required) {
        return "none needed";
    }
    if (!token.initialized) {
        return "not set";
    }
    return token.pin_locked      ? "LOCKED"
           : token.pin_final_try ? "FINAL TRY LEFT"
           : token.pin_count_low ? "few tries left"
                                 : "ok";
}

nlohmann::json to_json(const std::string& module, const keystore::TokenDescription& token) {
    return {{"module", module},       {"label", token.label},   {"manufacturer", token.manufacturer},
            {"model", token.model},   {"serial", token.serial}, {"uri", token.uri},
            {"pin", pin_state(token)}};
}

std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

nlohmann::json to_json(const std::string& token, const keystore::KeyDescription& key) {
    const keystore::KeyProtection& protection = key.protection;
    return {{"token", token},
            {"id", to_hex(key.key.id.value)},
            {"label", key.label},
            {"key", key.key.public_key.text()},
            {"uri", key.uri},
            {"confined", protection.confined()},
            {"sensitive", protection.sensitive},
            {"extractable", protection.extractable},
            {"always_sensitive", protection.always_sensitive},
            {"never_extractable", protection.never_extractable},
            {"local", protection.local}};
}

void print(const std::string& token, const keystore::KeyDescription& key) {
    const keystore::KeyProtection& protection = key.protection;
    std::fputs(fmt::format("token {}: {} '{}'\n  id                 {}\n  made on the token  {}\n"
                           "  sensitive          {} (always: {})\n  extractable        {} (never extractable: {})\n"
                           "  uri                {}\n",
                           printable(token), key.key.public_key.text(), printable(key.label), to_hex(key.key.id.value),
                           yes_no(protection.local), yes_no(protection.sensitive), yes_no(protection.always_sensitive),
                           yes_no(protection.extractable), yes_no(protection.never_extractable), printable(key.uri))
                   .c_str(),
               stdout);
}

/// What is behind one module or one way to a TPM.
struct Source {
    std::string module;  ///< or the TCTI
    std::function<Result<std::vector<keystore::TokenDescription>>()> list;
};

Source source_of(const std::string& module, bool network) {
    return {module, [module, network] {
                return keystore::list_tokens(runtime::worker_beside_this_program(), module, network, list_deadline);
            }};
}

Source source_of(const config::TokenSettings& tpm) {
    return {tpm.tcti, [tpm]() -> Result<std::vector<keystore::TokenDescription>> {
                keystore::WorkerToken token(runtime::worker_beside_this_program(), runtime::options_of(tpm));
                auto described = token.describe();
                if (!described) {
                    return fail(described.error());
                }
                return std::vector{*std::move(described)};
            }};
}

/// One for each module and TPM of the configuration. A module of several tokens gets what any of them asks for.
Result<std::vector<Source>> configured_sources(const CommandContext& context) {
    const auto configuration = load(context);
    if (!configuration) {
        return fail(configuration.error());
    }
    std::map<std::string, bool> modules;
    std::map<std::string, Source> sources;
    for (const auto& [name, token] : configuration->tokens) {
        if (token.type == config::TokenType::tpm2) {
            sources.emplace(token.tcti, source_of(token));
        } else {
            bool& network = modules[token.module.string()];
            network = network || token.network;
        }
    }
    for (const auto& [module, network] : modules) {
        sources.emplace(module, source_of(module, network));
    }
    std::vector<Source> out;
    out.reserve(sources.size());
    for (auto& [module, source] : sources) {
        out.push_back(std::move(source));
    }
    return out;
}

Error no_such_token(const std::string& token, const config::Configuration& configuration) {
    std::vector<std::string> names;
    for (const auto& [name, settings] : configuration.tokens) {
        names.push_back(name);
    }
    return config::no_such_name("token", token, names, "name a [token.*] section of the configuration");
}

Result<std::vector<Bytes>> ids_of(const std::vector<std::string>& texts) {
    std::vector<Bytes> ids;
    for (const std::string& text : texts) {
        const auto id = from_hex(text);
        if (!id || id->empty()) {
            return fail(ErrorCode::usage, "'" + text + "' is no key id", {},
                        "write it in hexadecimal, as 'hwenroll token purge' shows it");
        }
        ids.push_back(*id);
    }
    return ids;
}

std::string whose(const runtime::OrphanKey& orphan) {
    if (orphan.identity.empty()) {
        return "whose is not told";
    }
    if (orphan.only_by_id) {
        return fmt::format("of another machine's identity '{}', or replaced here: only by --key", orphan.identity);
    }
    return fmt::format("{} '{}'",
                       orphan.recorded ? "of an identity that is not configured any more," : "once of identity",
                       orphan.identity);
}

/// Destroys one key, or what is left of its identity.
std::string purge_command(const std::string& token, const runtime::OrphanKey& orphan) {
    const bool by_id = orphan.identity.empty() || orphan.only_by_id;
    return fmt::format(
        "hwenroll token purge {} {} --yes", shell_word(token),
        by_id ? "--key " + to_hex(orphan.key.key.id.value) : "--identity " + shell_word(orphan.identity));
}

/// What `purge` has found, or has done.
void print_orphans(const CommandContext& context, const std::string& token,
                   const std::vector<runtime::OrphanKey>& orphans, bool destroyed) {
    if (context.output.json) {
        nlohmann::json body{{"token", token}, {"destroyed", destroyed}, {"keys", nlohmann::json::array()}};
        for (const runtime::OrphanKey& orphan : orphans) {
            nlohmann::json key = to_json(token, orphan.key);
            key["identity"] = orphan.identity;
            key["recorded"] = orphan.recorded;
            body["keys"].push_back(std::move(key));
        }
        return print_json("token purge", std::move(body));
    }
    if (orphans.empty()) {
        std::fputs(fmt::format("token {}: {}\n", token,
                               destroyed ? "no such key without a use, nothing was destroyed" : "no key without a use")
                       .c_str(),
                   stdout);
        return;
    }
    for (const runtime::OrphanKey& orphan : orphans) {
        std::fputs(
            fmt::format("token {}: {}{} {}, {}\n", token, destroyed ? "destroyed " : "",
                        to_hex(orphan.key.key.id.value), orphan.key.key.public_key.text(), printable(whose(orphan)))
                .c_str(),
            stdout);
    }
    if (!destroyed) {
        std::fputs(fmt::format("to destroy: {}\n"
                               "on a token that several machines use, the keys of the others look the same\n",
                               proposed_command(proposal_ground(context.paths), purge_command(token, orphans.front())))
                       .c_str(),
                   stdout);
    }
}

}  // namespace

int token_list(const CommandContext& context, const std::optional<std::string>& module) {
    // A module that is named by hand may be a network HSM's: nothing says that it is none.
    const auto sources =
        module ? Result<std::vector<Source>>(std::vector{source_of(*module, true)}) : configured_sources(context);
    if (!sources) {
        return report(context, sources.error());
    }
    int exit_code = 0;
    nlohmann::json body{{"tokens", nlohmann::json::array()}};
    std::vector<std::vector<std::string>> rows;
    for (const Source& source : *sources) {
        const auto tokens = source.list();
        if (!tokens) {
            exit_code = std::max(exit_code, report(context, tokens.error()));
            continue;
        }
        for (const keystore::TokenDescription& token : *tokens) {
            body["tokens"].push_back(to_json(source.module, token));
            rows.push_back({token.label, token.model, token.serial, pin_state(token), token.uri});
        }
    }
    if (context.output.json) {
        print_json("token list", std::move(body));
    } else if (!rows.empty()) {
        std::fputs(table({"LABEL", "MODEL", "SERIAL", "PIN", "URI"}, rows).c_str(), stdout);
    } else if (exit_code == 0) {
        std::puts("no token is there");
    }
    return exit_code;
}

int token_keys(const CommandContext& context, const std::optional<std::string>& token) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    if (token && !configuration->tokens.contains(*token)) {
        return report(context, no_such_token(*token, *configuration));
    }
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(context, clock.error());
    }
    int exit_code = 0;
    nlohmann::json body{{"keys", nlohmann::json::array()}};
    observe::Log log(observe::Log::Target::quiet);
    const keystore::WorkerProgram worker = runtime::worker_beside_this_program();
    for (const auto& [name, settings] : configuration->tokens) {
        if (token && name != *token) {
            continue;
        }
        const auto keys = runtime::list_keys({settings, configuration->agent.state_dir, worker, **clock, log});
        if (!keys) {
            exit_code = std::max(exit_code, report(context, Error(keys.error()).about("token " + name)));
            continue;
        }
        for (const keystore::KeyDescription& key : *keys) {
            if (context.output.json) {
                body["keys"].push_back(to_json(name, key));
            } else {
                print(name, key);
            }
        }
        if (keys->empty() && !context.output.json) {
            std::fputs(fmt::format("token {}: no private key\n", name).c_str(), stdout);
        }
    }
    if (context.output.json) {
        print_json("token keys", std::move(body));
    }
    return exit_code;
}

int token_purge(const CommandContext& context, const std::string& token, const PurgeOptions& options) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const auto found = configuration->tokens.find(token);
    if (found == configuration->tokens.end()) {
        return report(context, no_such_token(token, *configuration));
    }
    const auto ids = ids_of(options.keys);
    if (!ids) {
        return report(context, ids.error());
    }
    if (options.confirmed && options.identity.empty() && ids->empty()) {
        return report(context,
                      Error(ErrorCode::usage, "'--yes' does not say what to destroy", {},
                            "add --identity NAME or --key ID; without '--yes' the command shows what there is"));
    }
    if (options.confirmed && !configuration->findings.empty()) {
        // What could not be read may name identities, and so keys that are in use.
        const Error& fault = configuration->findings.front().error;
        return report(context, Error(fault.code(), "nothing is destroyed while the configuration has faults",
                                     fault.what(), "correct it first; 'hwenroll check-config' shows every fault"));
    }
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(context, clock.error());
    }
    observe::Log log(observe::Log::Target::quiet);
    const keystore::WorkerProgram worker = runtime::worker_beside_this_program();
    const runtime::TokenQuery query{found->second, configuration->agent.state_dir, worker, **clock, log};
    const runtime::OrphanChoice choice{options.identity, *ids};
    const runtime::KeyNeeds needs = runtime::needs_of(*configuration);
    if (options.confirmed) {
        const auto purge = runtime::purge_orphans(query, needs, choice);
        if (!purge) {
            return report(context, Error(purge.error()).about("token " + token));
        }
        print_orphans(context, token, purge->destroyed, true);
        return purge->failure ? report(context, Error(*purge->failure).about("token " + token)) : 0;
    }
    auto orphans = runtime::list_orphans(query, needs);
    if (!orphans) {
        return report(context, Error(orphans.error()).about("token " + token));
    }
    if (!options.identity.empty() || !ids->empty()) {
        std::erase_if(*orphans, [&](const runtime::OrphanKey& orphan) { return !choice.fits(orphan); });
    }
    print_orphans(context, token, *orphans, false);
    return 0;
}

}  // namespace hwenroll::cli
