#include "agent/runtime/queries.h"

#include <algorithm>
#include <climits>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/publish/file_names.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/ca_answer.h"
#include "agent/runtime/key_tests.h"
#include "agent/runtime/published_files.h"
#include "agent/runtime/request_jobs.h"
#include "agent/runtime/token_access.h"
#include "agent/runtime/worker_program.h"
#include "agent/store/state_directory.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

/// One exchange, waited for.
Result<http::Response> fetch(EventLoop& loop, http::Client& client, http::Request request) {
    Result<http::Response> answer = fail(ErrorCode::interrupted, "a signal ended the request");
    client.start(std::move(request), [&](Result<http::Response> response) {
        answer = std::move(response);
        loop.stop();
    });
    if (const Status ran = loop.run(); !ran) {
        return fail(ran.error());
    }
    return answer;
}

http::Request get(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                  const std::string& url, scep::Operation operation) {
    http::Request request;
    request.url = scep::operation_url(url, operation, settings.identifier);
    request.limits =
        http_limits(limits, operation == scep::Operation::get_ca_caps ? limits.max_caps_bytes : limits.max_reply_bytes);
    request.route = {settings.proxy, settings.tls_ca.string(), settings.bind};
    return request;
}

/// A loop serves one exchange at a time here: sd-event cannot run again after an exit.
Result<http::Response> fetch(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                             const std::string& url, scep::Operation operation) {
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return fail(loop.error());
    }
    stopping = loop->get();
    http::Client client(**loop, "hwenroll");
    (*loop)->serve(client);
    return fetch(**loop, client, get(settings, limits, url, operation));
}

Result<CaAnswer> ask(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                     const std::string& url) {
    auto capabilities = read_capabilities(fetch(settings, limits, url, scep::Operation::get_ca_caps), false);
    if (capabilities && !*capabilities) {
        capabilities = read_capabilities(fetch(settings, limits, url, scep::Operation::get_ca_caps), true);
    }
    if (!capabilities) {
        return fail(capabilities.error());
    }
    const auto response = fetch(settings, limits, url, scep::Operation::get_ca_cert);
    auto certificates = read_certificates(response, parse_limits(limits, true));
    if (!certificates) {
        return fail(certificates.error());
    }
    return CaAnswer{url, **std::move(capabilities), *std::move(certificates), response->date};
}

/// Runs `job` on the token after a login by the rules; `Outcome` is a Result or a Status. Blocks.
template <class Outcome, class Job>
Outcome on_token(store::Store& store, const TokenQuery& query, Job job) {
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return fail(loop.error());
    }
    stopping = loop->get();
    Outcome outcome = fail(ErrorCode::interrupted, "a signal ended the work on the token");
    ClockTrust clock_trust(store, query.clock);
    TokenAccess token({**loop, store, query.clock, query.log, clock_trust}, query.worker, query.settings);
    (*loop)->post([&] {
        token.use([&job](const std::shared_ptr<keystore::Token>& device) { return job(*device); },
                  [&](Outcome done) {
                      outcome = std::move(done);
                      stopping->stop();
                  });
    });
    if (const Status ran = (*loop)->run(); !ran) {
        return fail(ran.error());
    }
    return outcome;
}

Result<std::vector<keystore::KeyDescription>> keys_of(store::Store& store, const TokenQuery& query) {
    return on_token<Result<std::vector<keystore::KeyDescription>>>(
        store, query, [](keystore::Token& token) { return token.list_keys(); });
}

/// The keys on the token, and which of them are orphans.
struct Inventory {
    std::vector<keystore::KeyDescription> keys;
    std::vector<OrphanKey> orphans;
};

Result<Inventory> inventory_of(store::Store& store, const TokenQuery& query, KeyNeeds& needs) {
    auto keys = keys_of(store, query);
    if (!keys) {
        return fail(keys.error());
    }
    auto owners = store.key_owners();
    if (!owners) {
        return fail(owners.error());
    }
    needs.owners = *std::move(owners);
    auto orphans = orphans_among(*keys, needs);
    return Inventory{*std::move(keys), std::move(orphans)};
}

/// Of `orphans`, those that were destroyed before something failed.
Purge destroy_all(store::Store& store, const TokenQuery& query, const std::vector<OrphanKey>& orphans) {
    auto done = on_token<Result<Purge>>(store, query, [&](keystore::Token& token) -> Result<Purge> {
        Purge purge;
        for (const OrphanKey& orphan : orphans) {
            if (const Status gone = token.destroy(orphan.key.key.id); !gone) {
                purge.failure = gone.error();
                break;
            }
            purge.destroyed.push_back(orphan);
        }
        return purge;
    });
    return done ? *std::move(done) : Purge{{}, done.error()};
}

Status note_purged(store::Store& store, const TokenQuery& query, const std::vector<OrphanKey>& purged) {
    for (const OrphanKey& orphan : purged) {
        const std::string note = fmt::format("key {} of identity '{}' was destroyed by an operator",
                                             to_hex(orphan.key.key.id.value), orphan.identity);
        if (Status kept = store.note_of_token(query.settings.name, note, query.clock.now()); !kept) {
            return kept;
        }
    }
    return {};
}

/// An identity that is not configured and has no key any more, neither on this token, nor wrapped in the state, nor on
/// another token, has no state that anybody could go on with.
bool is_without_keys(const std::string& identity, const TokenQuery& query, const KeyNeeds& needs,
                     const std::set<Bytes>& left) {
    return !needs.configured.contains(identity) &&
           std::ranges::none_of(needs.owners, [&](const store::KeyOwner& owner) {
               return owner.identity == identity &&
                      (owner.token != query.settings.name || owner.adopted || owner.wrapped || left.contains(owner.id));
           });
}

Status forget_emptied(store::Store& store, const TokenQuery& query, const KeyNeeds& needs,
                      const std::set<std::string>& chosen, const std::set<Bytes>& left) {
    std::set<std::string> known;
    for (const store::KeyOwner& owner : needs.owners) {
        known.insert(owner.identity);
    }
    for (const std::string& identity : chosen) {
        if (!known.contains(identity) || !is_without_keys(identity, query, needs, left)) {
            continue;
        }
        if (Status done = store.forget(identity, "its keys were destroyed by an operator, its state is forgotten",
                                       query.clock.now());
            !done) {
            return done;
        }
    }
    return {};
}

/// On a worker of this process's own, without a record of the login: for a token whose login nothing can refuse.
Result<keystore::KeyEvidence> certify_beside_the_daemon(const TokenQuery& query, const keystore::KeyReference& key,
                                                        ByteView nonce) {
    keystore::WorkerToken token(query.worker, options_of(query.settings));
    if (const auto prepared = token.prepare_login(); !prepared) {
        return fail(prepared.error());
    }
    if (const keystore::LoginOutcome login = token.login({}); login.error) {
        return fail(*login.error);
    }
    return token.certify(key, nonce);
}

/// A key to test, and by what.
struct FoundKey {
    std::string identity;
    keystore::KeyReference key;
    bool agrees = false;
};

Result<std::vector<FoundKey>> find_keys(store::Store& store, const TokenQuery& query,
                                        const std::vector<KeyToTest>& identities) {
    std::vector<FoundKey> keys;
    for (const KeyToTest& identity : identities) {
        const auto state = store.identity(identity.identity);
        if (!state) {
            return fail(state.error());
        }
        if (!state->current) {
            continue;
        }
        const lifecycle::KeyRecord& record = state->current->key;
        const std::string& token = record.token.empty() ? identity.token : record.token;
        const auto key = reference_of(record);
        if (token == query.settings.name && key) {
            keys.push_back({identity.identity, *key, identity.agrees});
        }
    }
    return keys;
}

std::vector<TestedKey> test_all(keystore::Token& token, const std::vector<FoundKey>& keys) {
    std::vector<TestedKey> tested;
    for (const FoundKey& each : keys) {
        tested.push_back({each.identity, each.key.public_key.text(), test_key(token, each.key, each.agrees)});
    }
    return tested;
}

bool needs_secret(const config::TokenSettings& token) {
    return token.type == config::TokenType::tpm2 ? token.auth.has_value() : token.pin.has_value();
}

std::string difference_of(const lifecycle::IdentityState& state, const std::optional<publish::PublishedState>& seen,
                          const KeyPlace& place) {
    if (!seen || !seen->current) {
        return state.current ? "nothing is published" : std::string();
    }
    if (!seen->defect.empty()) {
        return seen->defect;
    }
    if (!state.current || started_with(state, seen, place).shown) {
        return {};
    }
    if (seen->certificate != state.current->issued.leaf) {
        return fmt::format("generation {} holds another certificate than the one of generation {}", *seen->current,
                           state.current->generation);
    }
    return seen->current != state.current->generation
               ? fmt::format("the link shows generation {} and not {}", *seen->current, state.current->generation)
               : "key.uri names another key";
}

Error nothing_published(const std::string& identity) {
    return Error(ErrorCode::token_key_missing, "identity '" + identity + "' has no key that could be attested",
                 "no certificate of it is published yet",
                 "'hwenroll wait " + identity + "' returns when it is enrolled");
}

}  // namespace

Result<CaAnswer> ask_ca(const config::AuthoritySettings& settings, const config::LimitSettings& limits) {
    Result<CaAnswer> answer = fail(ErrorCode::config_missing, "no URL of a CA is given");
    for (const std::string& url : settings.urls) {
        answer = ask(settings, limits, url);
        if (answer || answer.error().info().exit_code != error_info(ErrorCode::ca_unreachable).exit_code) {
            break;
        }
    }
    return answer;
}

Result<std::vector<keystore::KeyDescription>> list_keys(const TokenQuery& query) {
    auto store = store::Store::open(query.state_dir, {});
    return store ? keys_of(*store, query) : fail(store.error());
}

Result<std::vector<OrphanKey>> list_orphans(const TokenQuery& query, KeyNeeds needs) {
    auto store = store::Store::open(query.state_dir, {});
    auto inventory = store ? inventory_of(*store, query, needs) : fail(store.error());
    return inventory ? Result<std::vector<OrphanKey>>(std::move(inventory->orphans)) : fail(inventory.error());
}

Result<Purge> purge_orphans(const TokenQuery& query, KeyNeeds needs, const OrphanChoice& choice) {
    auto store = store::Store::open(query.state_dir, {});
    auto inventory = store ? inventory_of(*store, query, needs) : fail(store.error());
    if (!inventory) {
        return fail(inventory.error());
    }
    std::erase_if(inventory->orphans, [&](const OrphanKey& orphan) { return !choice.fits(orphan); });
    Purge purge = inventory->orphans.empty() ? Purge{} : destroy_all(*store, query, inventory->orphans);
    std::set<std::string> chosen{choice.identity};
    std::set<Bytes> left;
    for (const keystore::KeyDescription& key : inventory->keys) {
        left.insert(key.key.id.value);
    }
    for (const OrphanKey& orphan : purge.destroyed) {
        left.erase(orphan.key.key.id.value);
        chosen.insert(orphan.identity);
    }
    Status kept = note_purged(*store, query, purge.destroyed);
    if (kept) {
        kept = forget_emptied(*store, query, needs, chosen, left);
    }
    if (!kept && !purge.failure) {
        purge.failure = kept.error();
    }
    return purge;
}

Result<AttestedKey> attest_key(const TokenQuery& query, const std::string& identity, ByteView nonce) {
    if (query.settings.type != config::TokenType::tpm2) {
        return fail(ErrorCode::token_attest, "identity '" + identity + "' has its key on a PKCS#11 token",
                    "PKCS#11 has no call that certifies a key");
    }
    std::error_code unknown;
    if (!std::filesystem::exists(store::database_path(query.state_dir), unknown) && !unknown) {
        return fail(nothing_published(identity));
    }
    auto store =
        query.settings.auth ? store::Store::open(query.state_dir, {}) : store::Store::open_read_only(query.state_dir);
    if (!store) {
        return fail(store.error());
    }
    const auto state = store->identity(identity);
    if (!state) {
        return fail(state.error());
    }
    if (!state->current) {
        return fail(nothing_published(identity));
    }
    const auto key = reference_of(state->current->key);
    if (!key) {
        return fail(key.error());
    }
    auto evidence = query.settings.auth
                        ? on_token<Result<keystore::KeyEvidence>>(
                              *store, query, [&](keystore::Token& token) { return token.certify(*key, nonce); })
                        : certify_beside_the_daemon(query, *key, nonce);
    if (!evidence) {
        return fail(evidence.error());
    }
    return AttestedKey{state->current->key, *std::move(evidence)};
}

Result<std::vector<TestedKey>> test_keys(const TokenQuery& query, const std::vector<KeyToTest>& identities) {
    std::error_code unknown;
    if (!std::filesystem::exists(store::database_path(query.state_dir), unknown) && !unknown) {
        return std::vector<TestedKey>();
    }
    const bool secret = needs_secret(query.settings);
    auto store = secret ? store::Store::open(query.state_dir, {}) : store::Store::open_read_only(query.state_dir);
    const auto keys = store ? find_keys(*store, query, identities) : fail(store.error());
    if (!keys) {
        return fail(keys.error());
    }
    if (keys->empty()) {
        return std::vector<TestedKey>();
    }
    if (secret) {
        return on_token<Result<std::vector<TestedKey>>>(*store, query, [&](keystore::Token& token) {
            return Result<std::vector<TestedKey>>(test_all(token, *keys));
        });
    }
    keystore::WorkerToken token(query.worker, options_of(query.settings));
    if (const auto prepared = token.prepare_login(); !prepared) {
        return fail(prepared.error());
    }
    if (const keystore::LoginOutcome login = token.login({}); login.error) {
        return fail(*login.error);
    }
    return test_all(token, *keys);
}

Result<std::string> published_difference(store::Store& store, const config::Configuration& configuration,
                                         const config::IdentitySettings& identity) {
    const auto state = store.identity(identity.name);
    if (!state) {
        return fail(state.error());
    }
    const publish::Publisher publisher(configuration.agent.publish_dir);
    const auto seen = publisher.inspect(identity.name);
    if (!seen) {
        return fail(seen.error());
    }
    const auto token = configuration.tokens.find(identity.token);
    const KeyPlace place{token == configuration.tokens.end() ? std::string() : token->second.uri,
                         publisher.current(identity.name) / publish::key_file};
    return difference_of(*state, *seen, place);
}

keystore::WorkerProgram worker_beside_this_program() {
    std::string path(PATH_MAX, '\0');
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return {worker_of(path).string(), {}};
}

}  // namespace hwenroll::runtime
