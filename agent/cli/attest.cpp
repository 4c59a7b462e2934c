#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/evidence_files.h"
#include "agent/runtime/queries.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

using Files = std::vector<EvidenceFile>;

Result<Bytes> random_nonce() {
    Bytes nonce;
    for (int half = 0; half < 2; ++half) {
        const auto octets = runtime::random_octets();
        if (!octets) {
            return fail(octets.error());
        }
        nonce.insert(nonce.end(), octets->begin(), octets->end());
    }
    return nonce;
}

Result<Bytes> nonce_of(const std::optional<std::string>& text) {
    if (!text) {
        return random_nonce();
    }
    auto nonce = from_hex(*text);
    if (!nonce || nonce->empty() || nonce->size() > keystore::max_evidence_nonce) {
        return fail(ErrorCode::usage, "'" + *text + "' is no nonce", {},
                    fmt::format("write 1 to {} octets in hexadecimal", keystore::max_evidence_nonce));
    }
    return nonce;
}

/// The settings of an identity; what is wrong with them if the configuration disables it.
Result<config::IdentitySettings> settings_of(const config::Configuration& configuration, const std::string& identity) {
    if (const auto found = configuration.identities.find(identity); found != configuration.identities.end()) {
        return found->second;
    }
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity && finding.name == identity) {
            return fail(finding.error);
        }
    }
    return fail(check_known(configuration, identity).error());
}

std::string fingerprint_of(const Bytes& spki) {
    return "SHA256:" + to_hex(sha256(spki), ':');
}

/// What of the evidence a person compares.
struct Summary {
    std::string identity;
    std::string token;
    std::string key;
    std::string key_fingerprint;
    std::string attestation_key;  ///< fingerprint
    std::string nonce;
    bool ek_certificate = false;
};

void print_summary(const Summary& is) {
    std::fputs(fmt::format("identity         {}\ntoken            {}\nkey              {}\nkey's SPKI       {}\n"
                           "attestation key  {}\nEK certificate   {}\nnonce            {}\n",
                           is.identity, is.token, is.key, is.key_fingerprint, is.attestation_key,
                           is.ek_certificate ? "yes" : "the TPM has none that can be read", is.nonce)
                   .c_str(),
               stdout);
}

void print_answer(const CommandContext& context, const Summary& is, const Files& files,
                  const std::optional<std::string>& out) {
    if (context.output.json) {
        nlohmann::json body{{"identity", is.identity},
                            {"token", is.token},
                            {"key", is.key},
                            {"key_fingerprint", is.key_fingerprint},
                            {"attestation_key_fingerprint", is.attestation_key},
                            {"nonce", is.nonce},
                            {"files", nlohmann::json::object()}};
        for (const EvidenceFile& file : files) {
            body["files"][file.name] = to_base64(as_bytes(file.content));
        }
        if (out) {
            body["out"] = *out;
        }
        return print_json("attest", std::move(body));
    }
    print_summary(is);
    if (out) {
        std::fputs(fmt::format("written to       {}\n", printable(*out)).c_str(), stdout);
        return;
    }
    for (const EvidenceFile& file : files) {
        if (file.name != "nonce") {
            std::fputs(fmt::format("\n{}, in base64:\n{}\n", file.name, to_base64(as_bytes(file.content))).c_str(),
                       stdout);
        }
    }
}

Result<runtime::AttestedKey> ask(const config::Configuration& configuration, const config::IdentitySettings& identity,
                                 ByteView nonce) {
    const auto clock = runtime::make_clock();
    if (!clock) {
        return fail(clock.error());
    }
    observe::Log log(observe::Log::Target::quiet);
    const keystore::WorkerProgram worker = runtime::worker_beside_this_program();
    const config::TokenSettings& token = configuration.tokens.at(identity.token);
    return runtime::attest_key({token, configuration.agent.state_dir, worker, **clock, log}, identity.name, nonce);
}

}  // namespace

int attest(const CommandContext& context, const std::string& identity, const AttestOptions& options) {
    const auto nonce = nonce_of(options.nonce);
    if (!nonce) {
        return report(context, nonce.error());
    }
    if (const Status room = options.out ? check_no_evidence_in(*options.out) : Status(); !room) {
        return report(context, room.error());
    }
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const auto settings = settings_of(*configuration, identity);
    if (!settings) {
        return report(context, settings.error());
    }
    const auto attested = ask(*configuration, *settings, *nonce);
    if (!attested) {
        return report(context, attested.error());
    }
    const auto files = evidence_files(attested->evidence, *nonce);
    if (!files) {
        return report(context, files.error());
    }
    if (const Status written = options.out ? write_evidence(*options.out, *files) : Status(); !written) {
        return report(context, written.error());
    }
    const auto key = PublicKey::from_spki(attested->record.spki);
    print_answer(context,
                 {identity, settings->token, key ? key->text() : std::string(), fingerprint_of(attested->record.spki),
                  fingerprint_of(attested->evidence.attestation_key), to_hex(*nonce),
                  !attested->evidence.ek_certificate.empty()},
                 *files, options.out);
    return 0;
}

}  // namespace hwenroll::cli
