// Tokens as `hwenroll doctor` sees them.
#include <algorithm>
#include <array>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/cli/doctor_checks.h"
#include "agent/cli/next_command.h"
#include "agent/cli/service_access.h"
#include "agent/runtime/login_rules.h"
#include "agent/runtime/queries.h"
#include "agent/runtime/token_access.h"
#include "keystore/pin_source.h"

namespace hwenroll::cli {
namespace {

using config::TokenSettings;

/// A token that has not described itself by then is reported, whatever its own deadline.
constexpr std::chrono::milliseconds patience{10'000};

/// PKCS#11 v2.40 §2.1, §2.3.
struct Mechanism {
    std::uint64_t number = 0;
    const char* name = nullptr;
};
constexpr Mechanism rsa_generation{0x0000, "CKM_RSA_PKCS_KEY_PAIR_GEN"};
constexpr Mechanism rsa_use{0x0001, "CKM_RSA_PKCS"};
constexpr Mechanism ec_generation{0x1040, "CKM_EC_KEY_PAIR_GEN"};
constexpr Mechanism ec_use{0x1041, "CKM_ECDSA"};
constexpr Mechanism ec_agreement{0x1050, "CKM_ECDH1_DERIVE"};

std::vector<const config::IdentitySettings*> identities_on(const config::Configuration& configuration,
                                                           const std::string& token) {
    std::vector<const config::IdentitySettings*> identities;
    for (const auto& [name, identity] : configuration.identities) {
        if (identity.token == token) {
            identities.push_back(&identity);
        }
    }
    return identities;
}

bool is_generated(const config::IdentitySettings& identity) {
    return std::holds_alternative<config::KeyType>(identity.key);
}

std::vector<Mechanism> needed(const config::Configuration& configuration, const std::string& token) {
    std::vector<Mechanism> all;
    for (const config::IdentitySettings* const identity : identities_on(configuration, token)) {
        const auto envelope = envelope_of(configuration, *identity);
        const bool ec = config::is_ec(identity->key);
        if (!is_generated(*identity)) {
            continue;  // of which kind it is, the token says; the test of the key itself is the better one
        }
        all.push_back(ec ? ec_generation : rsa_generation);
        all.push_back(ec ? ec_use : rsa_use);
        if (envelope == config::EnvelopeMode::agree) {
            all.push_back(ec_agreement);
        }
        if (envelope == config::EnvelopeMode::token_rsa) {
            all.push_back(rsa_generation);
            all.push_back(rsa_use);
        }
    }
    return all;
}

void check_mechanisms(Examination& examination, const TokenSettings& token, const keystore::TokenDescription& seen) {
    if (seen.mechanisms.empty()) {
        return;
    }
    std::set<std::string> missing;
    std::set<std::string> present;
    for (const Mechanism& mechanism : needed(examination.configuration, token.name)) {
        const bool there = std::ranges::find(seen.mechanisms, mechanism.number) != seen.mechanisms.end();
        (there ? present : missing).insert(mechanism.name);
    }
    if (!missing.empty()) {
        examination.report.fail(
            ErrorCode::token_operation, "token " + token.name,
            fmt::format("it does not offer {}, which the configured keys need", fmt::join(missing, ", ")),
            "choose another 'key' for its identities, or another token");
    } else if (!present.empty()) {
        examination.report.ok("token " + token.name, fmt::format("offers {}", fmt::join(present, ", ")));
    }
}

/// The current key, that of an attempt and that of a shadow certificate.
constexpr std::size_t keys_of_identity = 3;

void check_room(Examination& examination, const TokenSettings& token, const keystore::TokenDescription& seen) {
    const auto identities = identities_on(examination.configuration, token.name);
    const auto generated = static_cast<std::size_t>(
        std::ranges::count_if(identities, [](const auto* identity) { return is_generated(*identity); }));
    const std::size_t keys = keys_of_identity * generated;
    const std::string about = "token " + token.name;
    if (token.storage.persistent()) {
        const std::size_t handles = std::size_t{token.storage.last} - token.storage.first + 1;
        const std::string text =
            fmt::format("{} handles for {} identities: {} are needed when all are renewed over a rollover", handles,
                        generated, keys);
        handles < keys ? examination.report.warn(about, text, "widen 'storage' of [token." + token.name + "]")
                       : examination.report.ok(about, text);
    } else if (seen.free_octets) {
        constexpr std::uint64_t octets_of_key = 4096;  // both halves with their attributes
        const std::string text = fmt::format("{} octets are free for {} keys", *seen.free_octets, keys);
        *seen.free_octets < octets_of_key* keys
            ? examination.report.warn(about, text, "hwenroll token purge " + token.name)
            : examination.report.ok(about, text);
    } else if (token.type == config::TokenType::pkcs11) {
        examination.report.ok(about, fmt::format("it does not tell how many of {} keys it has room for", keys));
    }
}

/// False: no login may follow.
bool check_pin_flags(DoctorReport& report, const TokenSettings& token, const keystore::TokenDescription& seen) {
    const std::string about = "token " + token.name;
    if (!seen.login_required) {
        return true;
    }
    if (seen.pin_locked) {
        report.fail(ErrorCode::token_pin_locked, about, "its PIN is locked", "unlock it with its own tool");
        return false;
    }
    if (seen.pin_final_try) {
        report.fail(ErrorCode::token_pin_low, about, "one PIN try is left: neither the agent nor this command uses it",
                    "log in once with its own tool and the right PIN");
        return false;
    }
    if (seen.pin_count_low) {
        report.warn(about, "few PIN tries are left; this command makes none",
                    "log in once with its own tool and the right PIN");
        return false;
    }
    report.ok(about, "its PIN has all its tries");
    return true;
}

/// What the record of logins forbids is not tried (T9).
std::optional<Error> refused_before(Examination& examination, const TokenSettings& token,
                                    const keystore::TokenDescription& seen) {
    const auto records = examination.store->logins_of_section(token.name);
    const auto of_device = examination.store->logins_of_device(seen.uri);
    if (!records || !of_device) {
        return !records ? records.error() : of_device.error();
    }
    std::vector<store::LoginRecord> all = *records;
    all.insert(all.end(), of_device->begin(), of_device->end());
    runtime::LoginAttempt attempt;
    attempt.source = pin_text(token);
    attempt.token_uri = seen.uri;
    const auto source = keystore::PinSource::parse(attempt.source);
    const auto identity = source ? source->identity() : fail(source.error());
    if (identity && *identity) {
        attempt.file = runtime::to_pin_file(**identity);
    }
    const auto record = runtime::forbidding(all, attempt);
    return record ? std::optional(runtime::forbidden(token.name, *record)) : std::nullopt;
}

/// What the running agent knows of it; nothing: it does not say.
const control::TokenView* agents_view(const Examination& examination, const std::string& token) {
    if (!examination.health) {
        return nullptr;
    }
    const auto& views = examination.health->tokens;
    const auto view = std::ranges::find(views, token, &control::TokenView::name);
    return view == views.end() ? nullptr : &*view;
}

/// `next`: what is typed against its failure.
void report_agents_view(DoctorReport& report, const control::TokenView& view, const std::string& next) {
    const std::string about = "token " + view.name;
    if (!view.failure.empty()) {
        report.fail(view.state == "locked" ? ErrorCode::token_pin_locked : ErrorCode::token_operation, about,
                    "the agent's last use of it failed: " + view.failure, next);
    } else {
        report.ok(about, view.logged_in       ? "the agent is logged in to it"
                         : view.state == "up" ? "the agent has used it"
                                              : "the agent has not used it yet");
    }
}

/// Root, and whoever the agent is, reach what it reaches; to others a token that is there may look absent.
bool may_use_tokens(const Examination& examination) {
    struct stat state {};
    const auto& path = examination.configuration.agent.state_dir;
    return ::geteuid() == 0 || (::stat(path.c_str(), &state) == 0 && state.st_uid == ::geteuid());
}

/// What keeps the agent's service from a token that root has found. A token with a service of its own is not the
/// agent's to open.
std::optional<ServiceStep> check_service(Examination& examination, const TokenSettings& token,
                                         const keystore::TokenDescription& seen) {
    std::error_code failure;
    const bool own =
        std::filesystem::exists(examination.configuration.agent.runtime_dir / "token" / token.name, failure);
    const auto grants =
        own || examination.context.paths.drop_ins.empty() ? std::vector<ServiceGrants>() : service_grants();
    if (grants.empty()) {
        return std::nullopt;
    }
    // What keeps the agent's own service; hwenroll-once.service, which may never run, is mended with it.
    const ServiceNeeds needs = service_needs(token.module, token.tcti, seen.serial);
    auto step = missing_access(token.name, needs, {grants.front()});
    if (step) {
        step = missing_access(token.name, needs, grants);
    }
    const std::string about = "token " + token.name;
    if (step) {
        examination.report.fail(ErrorCode::token_absent, about, step->why, step->command);
    } else {
        examination.report.ok(about, "hwenrolld.service may use it");
    }
    return step;
}

void check_seen(Examination& examination, const TokenSettings& token, const keystore::TokenDescription& seen) {
    check_mechanisms(examination, token, seen);
    check_room(examination, token, seen);
    const bool has_tries = check_pin_flags(examination.report, token, seen);
    const auto refused = examination.store ? refused_before(examination, token, seen) : std::nullopt;
    if (refused) {
        examination.report.fail(refused->code(), "token " + token.name, refused->what(),
                                next_command(refused->code(), token));
    } else if (has_tries && !examination.tests) {
        test_keys(examination, token);
    }
}

/// Without the source of a PIN that only the token's service can read: a worker of this command's would refuse it.
TokenSettings without_credential(TokenSettings token) {
    for (auto* const source : {&token.pin, &token.auth}) {
        if (*source && (*source)->kind == config::SecretSource::Kind::credential) {
            source->reset();
        }
    }
    return token;
}

void check_token(Examination& examination, const TokenSettings& token) {
    constexpr std::int64_t long_call = 10;
    const std::string about = "token " + token.name;
    const control::TokenView* const view = agents_view(examination, token.name);
    if (view != nullptr && view->busy >= long_call) {
        // It is silent, so it is not asked.
        examination.report.warn(about,
                                fmt::format("it has not answered the agent for {}", to_words(Seconds(view->busy))),
                                "hwenroll status");
        return report_agents_tests(examination, token);
    }
    TokenSettings asked = without_credential(token);
    asked.deadline_use = std::min(asked.deadline_use, patience);
    keystore::WorkerToken worker(runtime::worker_beside_this_program(), runtime::options_of(asked));
    const auto seen = worker.describe();
    std::optional<ServiceStep> step;
    if (seen) {
        examination.report.ok(about,
                              fmt::format("found: {} {}, serial {}", seen->manufacturer, seen->model, seen->serial));
        step = check_service(examination, token, *seen);
    }
    if (view != nullptr) {
        report_agents_view(
            examination.report, *view,
            step ? step->command : next_command(code_in(view->failure).value_or(ErrorCode::token_operation), token));
    }
    report_agents_tests(examination, token);
    if (seen) {
        return check_seen(examination, token, *seen);
    }
    if (!may_use_tokens(examination)) {
        return examination.report.unseen(about, "this user may not use it: " + seen.error().what());
    }
    if (serves_the_agent(examination, token)) {  // and nobody else at the same time
        return examination.report.untested(
            about, "whether it has room and what it offers was not seen beside the agent: " + seen.error().what(),
            "systemctl stop hwenrolld; hwenroll doctor; systemctl start hwenrolld");
    }
    examination.report.fail(about, seen.error());
}

}  // namespace

void check_tokens(Examination& examination) {
    examination.report.begin("tokens");
    ask_for_tests(examination);
    for (const auto& [name, token] : examination.configuration.tokens) {
        check_token(examination, token);
    }
}

}  // namespace hwenroll::cli
