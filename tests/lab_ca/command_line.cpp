#include "tests/lab_ca/command_line.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/pem.h"
#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {
namespace {

/// The words of an option and what they mean.
template <class Value, std::size_t count>
using Words = std::array<std::pair<const char*, Value>, count>;

constexpr Words<IssueUsage, 3> usage_words{
    {{"copy", IssueUsage::copy}, {"ignore", IssueUsage::ignore}, {"refuse", IssueUsage::refuse}}};
constexpr Words<NoProgress, 3> no_progress_words{
    {{"never", NoProgress::never}, {"same-key", NoProgress::same_key}, {"always", NoProgress::always}}};
constexpr Words<NextCaLifetime, 2> next_lifetime_words{
    {{"from-switch", NextCaLifetime::from_switch}, {"from-appearance", NextCaLifetime::from_appearance}}};
constexpr Words<NextCaKeyword, 3> keyword_words{{{"always", NextCaKeyword::always},
                                                 {"never", NextCaKeyword::never},
                                                 {"until-shadow", NextCaKeyword::until_shadow}}};
constexpr Words<ReplyEnvelope, 3> envelope_words{{{"auto", ReplyEnvelope::by_key},
                                                  {"pwri", ReplyEnvelope::by_password},
                                                  {"pwri-always", ReplyEnvelope::always_password}}};
constexpr Words<NextCaForm, 10> form_words{{{"nested", NextCaForm::nested},
                                            {"flat", NextCaForm::flat},
                                            {"ra-signed", NextCaForm::ra_signed},
                                            {"unsigned", NextCaForm::unsigned_only},
                                            {"unknown-signer", NextCaForm::unknown_signer},
                                            {"next-signed", NextCaForm::next_signed},
                                            {"current-again", NextCaForm::current_again},
                                            {"outer-extra", NextCaForm::outer_extra},
                                            {"empty", NextCaForm::empty},
                                            {"ra-only", NextCaForm::ra_only}}};

template <class Value, std::size_t count>
std::vector<std::string> names_of(const Words<Value, count>& words) {
    std::vector<std::string> out;
    for (const auto& word : words) {
        out.emplace_back(word.first);
    }
    return out;
}

/// `text` was checked to be one of them.
template <class Value, std::size_t count>
Value value_of(const Words<Value, count>& words, const std::string& text) {
    return std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.first == text; })->second;
}

void declare_service(CLI::App& app, Arguments& arguments) {
    app.add_option("--dir", arguments.directory, "where the CA keeps its keys, certificates, ledger and lint.jsonl")
        ->required();
    app.add_option("--listen", arguments.listen, "numeric address and port; port 0 takes any free one");
    auto* challenge = app.add_option("--challenge", arguments.challenge, "the challenge password of every client");
    app.add_option("--challenge-file", arguments.challenge_file, "a file whose first line is the challenge password")
        ->excludes(challenge);
    app.add_option("--one-time-challenges", arguments.one_time_challenges,
                   "each challenge is one of GET /lab/challenge, works once and lives for so many seconds")
        ->check(CLI::PositiveNumber);
    app.add_option("--ready-file", arguments.ready_file, "a file to write the URL to once requests are served");
    app.add_option("--clock-file", arguments.clock_file,
                   "a virtual clock in place of the system's: 'hwenroll-clock 1 MONOTONIC_NS WALL_SECONDS RATE'");
    app.add_option("--caps", arguments.capabilities, "GetCACaps keywords, separated by commas");
    app.add_flag("--no-post", arguments.no_post, "do not announce and do not accept POST");
    app.add_flag("--leaf-only", arguments.leaf_only, "answer with the issued certificate alone, without the CA's");
    app.add_option("--fault", arguments.faults,
                   "OPERATION:N:ACTION spoils the N-th (* every) GetCACaps, GetCACert, GetNextCACert, PKCSReq, "
                   "RenewalReq, CertPoll, GetCert or GetCRL; actions: drop, reset, status-NNN and replay without "
                   "processing; lose, "
                   "delay-MS, truncate, drip[-MS], body-bitflip and mutate-ID (BAD-1, …) after it; repeatable")
        ->allow_extra_args(false);
}

void declare_envelopes(CLI::App& app, Arguments& arguments) {
    app.add_option("--ca-key", arguments.ca_key,
                   "the key of every CA: rsa, or ec (P-256), to which requests come under the challenge")
        ->check(CLI::IsMember({"rsa", "ec"}));
    app.add_option("--reply-envelope", arguments.reply_envelope,
                   "replies are encrypted for the signer's key (auto: key transport to RSA, key agreement with EC), "
                   "under the challenge to EC signers (pwri), or to RSA signers as well, which is wrong (pwri-always)")
        ->check(CLI::IsMember(names_of(envelope_words)));
    app.add_option("--reply-iterations", arguments.reply_iterations,
                   "iterations of PBKDF2 of a reply under the challenge (default 10000)")
        ->check(CLI::PositiveNumber);
}

void declare_issue(CLI::App& app, Arguments& arguments) {
    app.add_option("--lifetime", arguments.lifetime, "seconds that certificates live (default 90 days)")
        ->check(CLI::PositiveNumber);
    app.add_option("--ca-lifetime", arguments.ca_lifetime, "seconds that a CA lives (default 3650 days)")
        ->check(CLI::PositiveNumber);
    app.add_option("--backdate", arguments.backdate,
                   "seconds by which certificates and the first CA begin before they are made (default 60)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--issue-usage", arguments.issue_usage,
                   "copy, ignore or refuse requested usages and names; refuse lets keyUsage alone")
        ->check(CLI::IsMember(names_of(usage_words)));
}

void declare_admission(CLI::App& app, Arguments& arguments) {
    app.add_flag("--allow-weak-requests", arguments.allow_weak_requests, "accept SHA-1, single DES and 3DES requests");
    app.add_option("--min-rsa-bits", arguments.min_rsa_bits, "refuse smaller RSA keys (default 2048)")
        ->check(CLI::PositiveNumber);
    app.add_option("--signers", arguments.signers,
                   "whose certificates may sign a request: any also lets self-signed ones, issued only this CA's")
        ->check(CLI::IsMember({"any", "issued"}));
    app.add_option("--signing-time-window", arguments.signing_time_window,
                   "seconds by which a request's signingTime may differ (default 300); raise it for a fast clock")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--manufacturer-ca", arguments.manufacturer_ca,
                   "PEM file of CAs whose certificates may sign a first request, without a challenge");
    app.add_option("--renewal", arguments.renewal,
                   "message types by which this CA's certificates renew themselves without a challenge; 17 and both "
                   "announce Renewal unless --caps is given (with --caps Renewal, 19 refuses what is announced)")
        ->check(CLI::IsMember({"17", "19", "both", "none"}));
    app.add_option("--renewal-no-progress", arguments.no_progress,
                   "when a renewal is answered with the certificate that signed it: never, same-key or always")
        ->check(CLI::IsMember(names_of(no_progress_words)));
}

void declare_decision(CLI::App& app, Arguments& arguments) {
    app.add_option("--pending", arguments.pending, "how often each request is answered PENDING before the decision")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--pending-seconds", arguments.pending_seconds,
                   "seconds of the CA's clock during which each request is answered PENDING")
        ->check(CLI::NonNegativeNumber);
    app.add_flag("--pending-until-approved", arguments.pending_until_approved,
                 "PENDING until GET /lab/approve?transaction=ID or /lab/deny; a challenge is not needed then");
    app.add_option("--refuse", arguments.refuse,
                   "decide every request with this failInfo, as in badRequest:TEXT; without TEXT no failInfoText");
}

void declare_rollover(CLI::App& app, Arguments& arguments) {
    app.add_option("--auto-rollover", arguments.auto_rollover,
                   "seconds before the end of a CA at which the next one appears; GetNextCACert is announced")
        ->check(CLI::PositiveNumber);
    app.add_option("--next-ca-subject", arguments.next_ca_subject, "subject of the next CAs (default: the same)");
    app.add_option("--next-ca-lifetime", arguments.next_ca_lifetime,
                   "what the lifetime of a next CA is counted from: from-switch or from-appearance")
        ->check(CLI::IsMember(names_of(next_lifetime_words)));
    app.add_option("--next-ca-form", arguments.next_ca_form, "how GetNextCACert is answered (default nested)")
        ->check(CLI::IsMember(names_of(form_words)));
    app.add_option("--next-ca-keyword", arguments.next_ca_keyword,
                   "when GetNextCACert is announced; until-shadow: not any more once there is a next CA")
        ->check(CLI::IsMember(names_of(keyword_words)));
    app.add_option("--switch-early", arguments.switch_early, "seconds before its end at which a CA gives way")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--shadow-valid", arguments.shadow_valid,
                   "when a certificate of the next CA begins: at-switch (the old CA's end) or at-once")
        ->check(CLI::IsMember({"at-switch", "at-once"}));
    app.add_option("--shadow-issuer", arguments.shadow_issuer,
                   "which CA issues what is enveloped for the next: next or current")
        ->check(CLI::IsMember({"next", "current"}));
    app.add_option("--shadow-reply-signer", arguments.shadow_reply_signer,
                   "which CA signs the reply to it: current or next")
        ->check(CLI::IsMember({"current", "next"}));
}

void declare_crl(CLI::App& app, Arguments& arguments) {
    app.add_option("--crl-lifetime", arguments.crl_lifetime, "seconds from a CRL's thisUpdate to its nextUpdate")
        ->check(CLI::PositiveNumber);
    app.add_option("--crl-point", arguments.crl_points,
                   "URL for cRLDistributionPoints of issued certificates; self: this server's; partition: one of this "
                   "server's for each certificate alone; repeatable")
        ->allow_extra_args(false);
    app.add_option("--crl-form", arguments.crl_form,
                   "how CRLs are handed out: good, other-issuer, bad-signature, older, expired, delta, critical, huge, "
                   "certificate, to-file, gone, pem or other-partition")
        ->check([](const std::string& word) { return crl_form_of(word) ? "" : "no such form"; });
    app.add_option("--cert-form", arguments.cert_form, "how GetCert is answered: good, other-serial or pending")
        ->check([](const std::string& word) { return cert_form_of(word) ? "" : "no such form"; });
}

/// `badRequest:TEXT`. Error code: usage.
Result<Rejection> refusal_of(const std::string& text) {
    constexpr std::array<std::string_view, 5> names{"badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"};
    const std::size_t colon = text.find(':');
    const auto* const found = std::find(names.begin(), names.end(), std::string_view(text).substr(0, colon));
    if (found == names.end()) {
        return fail(ErrorCode::usage, fmt::format("--refuse {} names no failInfo", text), {},
                    "begin with badAlg, badMessageCheck, badRequest, badTime or badCertId");
    }
    return Rejection{static_cast<FailInfo>(found - names.begin()),
                     colon == std::string::npos ? std::string() : text.substr(colon + 1)};
}

/// The first line of a file. Error code: input_file.
Result<Secret> read_challenge(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (in.bad() || !in.is_open()) {
        return fail(ErrorCode::input_file, fmt::format("cannot read the challenge file '{}'", path));
    }
    Secret secret(as_bytes(std::string_view(text).substr(0, text.find_first_of("\r\n"))));
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return secret;
}

Result<Secret> challenge_of(const Arguments& arguments) {
    return arguments.challenge_file.empty() ? Secret(as_bytes(arguments.challenge))
                                            : read_challenge(arguments.challenge_file);
}

Capabilities capabilities_of(const Arguments& arguments) {
    Capabilities out =
        arguments.capabilities.empty() ? Capabilities::standard() : Capabilities::from_list(arguments.capabilities);
    if (arguments.capabilities.empty() && (arguments.renewal == "17" || arguments.renewal == "both")) {
        out.keywords.emplace_back("Renewal");
    }
    if (arguments.no_post) {
        std::erase_if(out.keywords,
                      [](const std::string& k) { return k == "POSTPKIOperation" || k == "SCEPStandard"; });
    }
    return out;
}

AdmissionPolicy admission_of(const Arguments& arguments) {
    AdmissionPolicy out;
    out.min_rsa_bits = arguments.min_rsa_bits;
    out.self_signed_signers = arguments.signers == "any";
    out.renewal.renewal_req = arguments.renewal != "19" && arguments.renewal != "none";
    out.renewal.pkcs_req = arguments.renewal != "17" && arguments.renewal != "none";
    return out;
}

Result<DecisionPolicy> decision_of(const Arguments& arguments) {
    DecisionPolicy out;
    out.pending = arguments.pending;
    out.delay = Seconds(arguments.pending_seconds);
    out.needs_approval = arguments.pending_until_approved;
    if (!arguments.refuse.empty()) {
        auto refusal = refusal_of(arguments.refuse);
        if (!refusal) {
            return fail(refusal.error());
        }
        out.refusal = *std::move(refusal);
    }
    return out;
}

RolloverPolicy rollover_of(const Arguments& arguments) {
    RolloverPolicy out;
    out.lifetime = Seconds(arguments.ca_lifetime);
    out.backdate = Seconds(arguments.backdate);
    if (arguments.auto_rollover > 0) {
        out.auto_rollover = Seconds(arguments.auto_rollover);
    }
    out.next_lifetime = value_of(next_lifetime_words, arguments.next_ca_lifetime);
    out.next_subject = arguments.next_ca_subject;
    out.switch_early = Seconds(arguments.switch_early);
    out.ec_key = arguments.ca_key == "ec";
    return out;
}

Result<std::vector<Certificate>> manufacturers_of(const Arguments& arguments) {
    if (arguments.manufacturer_ca.empty()) {
        return std::vector<Certificate>();
    }
    const auto text = read_file(arguments.manufacturer_ca);
    auto certificates = text ? certificates_from_pem(*text) : fail(text.error());
    if (!certificates) {
        return fail(ErrorCode::input_file, fmt::format("cannot read the CAs in '{}'", arguments.manufacturer_ca),
                    certificates.error().line());
    }
    return certificates;
}

Result<std::vector<FaultRule>> faults_of(const Arguments& arguments) {
    std::vector<FaultRule> out;
    for (const std::string& text : arguments.faults) {
        auto rule = FaultRule::from_text(text);
        if (!rule) {
            return fail(rule.error());
        }
        out.push_back(*std::move(rule));
    }
    return out;
}

}  // namespace

void declare(CLI::App& app, Arguments& arguments) {
    declare_service(app, arguments);
    declare_envelopes(app, arguments);
    declare_issue(app, arguments);
    declare_admission(app, arguments);
    declare_decision(app, arguments);
    declare_rollover(app, arguments);
    declare_crl(app, arguments);
    declare_deployment(app, arguments.deployment);
}

Result<LabCaOptions> options_of(const Arguments& arguments) {
    auto challenge = challenge_of(arguments);
    auto decision = decision_of(arguments);
    auto manufacturers = manufacturers_of(arguments);
    auto faults = faults_of(arguments);
    if (!challenge || !decision) {
        return fail(challenge ? decision.error() : challenge.error());
    }
    if (!manufacturers || !faults) {
        return fail(manufacturers ? faults.error() : manufacturers.error());
    }
    LabCaOptions options;
    options.directory = arguments.directory;
    options.challenge = *std::move(challenge);
    options.capabilities = capabilities_of(arguments);
    options.allow_weak_requests = arguments.allow_weak_requests;
    options.issue.lifetime = Seconds(arguments.lifetime);
    options.issue.backdate = Seconds(arguments.backdate);
    options.issue.usage = value_of(usage_words, arguments.issue_usage);
    options.admission = admission_of(arguments);
    if (arguments.one_time_challenges > 0) {
        options.one_time_challenges = Seconds(arguments.one_time_challenges);
    }
    options.decision = *std::move(decision);
    options.rollover = rollover_of(arguments);
    options.shadow = {value_of(form_words, arguments.next_ca_form), value_of(keyword_words, arguments.next_ca_keyword),
                      arguments.shadow_valid == "at-once", arguments.shadow_issuer == "current",
                      arguments.shadow_reply_signer == "next"};
    options.no_progress = value_of(no_progress_words, arguments.no_progress);
    options.manufacturers = *std::move(manufacturers);
    options.faults = *std::move(faults);
    options.signing_time_window = Seconds(arguments.signing_time_window);
    options.reply_envelope = value_of(envelope_words, arguments.reply_envelope);
    options.reply_iterations = arguments.reply_iterations;
    apply(arguments.deployment, options);
    if (arguments.leaf_only) {
        options.reply.certificates = ReplyCertificates::leaf;
    }
    options.crl = {Seconds(arguments.crl_lifetime), arguments.crl_points, *crl_form_of(arguments.crl_form),
                   *cert_form_of(arguments.cert_form)};
    return options;
}

}  // namespace hwenroll::lab_ca
