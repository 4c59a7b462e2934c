#include "agent/cli/ca_choice.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/config/configuration_reader.h"
#include "agent/config/value_syntax.h"
#include "agent/config/words.h"
#include "agent/runtime/authority_access.h"

namespace hwenroll::cli {
namespace {

bool issues_another_ca(const Certificate& ca, const std::vector<Certificate>& set) {
    return std::ranges::any_of(set, [&](const Certificate& other) {
        return other.is_ca() && !other.is_self_issued() && other.issuer() == ca.subject();
    });
}

std::string role_text(const Certificate& certificate, bool issues) {
    if (!certificate.is_ca()) {
        return "RA (registration authority)";
    }
    if (certificate.is_self_issued()) {
        return issues ? "root and issuing CA" : "root CA";
    }
    return issues ? "issuing CA" : "intermediate CA";
}

/// The section that a URL and a preset make, read as every section is.
Result<config::AuthoritySettings> settings_of(const CaQuestion& question) {
    std::string text = "[ca.ca]\nfingerprint = \"" + std::string(64, '0') + "\"\n";
    const auto line = [](const char* key, const std::string& value) {
        const bool plain = value.find_first_of("\"\\\n") == std::string::npos;
        return fmt::format("{} = \"{}\"\n", key, plain ? value : std::string());
    };
    text += line("url", question.url);
    if (!question.preset.empty()) {
        text += line("preset", question.preset);
    }
    const auto read = config::read_configuration({{"--url", text}}, {});
    if (!read || read->authorities.empty()) {
        const std::string why = !read                    ? std::string(read.error().what())
                                : read->findings.empty() ? std::string()
                                                         : std::string(read->findings.front().error.what());
        const std::string good = config::without_operation(question.url);
        const bool is_url = good != question.url && config::parse_scep_url(good);
        return fail(Error(ErrorCode::usage, "'" + question.url + "' is no URL of a SCEP service", why,
                          is_url ? "write it as " + good
                                 : "write it as http://ca.example.com/scep, or give a host with --ca-preset ndes"));
    }
    return read->authorities.begin()->second;
}

std::vector<std::string> fingerprints_in(const std::vector<CaRole>& roles) {
    std::vector<std::string> all;
    all.reserve(roles.size());
    for (const CaRole& role : roles) {
        all.push_back(role.text + " " + fingerprint_of(*role.certificate));
    }
    return all;
}

/// The CA certificate with one of these fingerprints.
const Certificate* pinned_by(const std::vector<Bytes>& fingerprints, const std::vector<CaRole>& roles) {
    for (const CaRole& role : roles) {
        if (role.certificate->is_ca() &&
            std::ranges::find(fingerprints, role.certificate->fingerprint()) != fingerprints.end()) {
            return role.certificate;
        }
    }
    return nullptr;
}

Status choose_pin(CaChoice& choice, const CaQuestion& question) {
    std::vector<Bytes> wanted;
    if (question.fingerprint) {
        auto parsed = config::parse_fingerprint(*question.fingerprint);
        if (!parsed) {
            return fail(ErrorCode::usage, "'" + *question.fingerprint + "' " + std::string(parsed.error().what()), {},
                        "write it as SHA256:6F:…");
        }
        wanted.push_back(*std::move(parsed));
    } else if (choice.known) {
        wanted = choice.settings.fingerprints;
    } else {
        choice.pin = proposed_pin(choice.roles);
        return {};
    }
    choice.pin = pinned_by(wanted, choice.roles);
    choice.confirmed = choice.pin != nullptr;
    if (choice.pin == nullptr) {
        return fail(ErrorCode::ca_fingerprint,
                    question.fingerprint
                        ? "no certificate of the CA has the fingerprint that was given"
                        : "no certificate of the CA has a fingerprint of [ca." + choice.settings.name + "]",
                    fmt::format("received: {}", fmt::join(fingerprints_in(choice.roles), "; ")),
                    "ask the CA's operator which one is right; nothing is written");
    }
    return {};
}

scep::CaExpectation expectation(const CaChoice& choice, const CaQuestion& question, bool by_password) {
    return {{choice.pin->fingerprint()},       question.now, runtime::parse_limits(question.existing.limits, true),
            runtime::ra_rule(choice.settings), {},           by_password};
}

/// Which `envelope` the section gets; empty: it says nothing.
Result<std::string> envelope_of(const CaChoice& choice, const CaQuestion& question) {
    if (question.envelope) {
        return *question.envelope;
    }
    if (question.key.starts_with("ec:") && !choice.known) {
        return fail(ErrorCode::usage, "an EC key cannot decrypt, and nothing says how replies reach one", {},
                    "use --key rsa:2048, or ask the CA's operator and add --envelope agree (ECDH), password (under the "
                    "challenge) or token-rsa (to an RSA key beside it)");
    }
    auto set = scep::authenticate(choice.answer.certificates, expectation(choice, question, false));
    if (set) {
        return std::string();
    }
    // A CA without an RSA key can only be written to under the challenge.
    const bool serves = scep::authenticate(choice.answer.certificates, expectation(choice, question, true)).has_value();
    return set.error().code() == ErrorCode::ca_no_recipient && serves ? Result<std::string>("password")
                                                                      : fail(set.error());
}

}  // namespace

std::vector<CaRole> roles_of(const std::vector<Certificate>& set) {
    std::vector<CaRole> roles;
    for (const Certificate& certificate : set) {
        const bool issues = certificate.is_ca() && !issues_another_ca(certificate, set);
        roles.push_back({&certificate, role_text(certificate, issues), issues});
    }
    return roles;
}

const Certificate* proposed_pin(const std::vector<CaRole>& roles) {
    const auto issues = [](const CaRole& role) { return role.issues; };
    return std::ranges::count_if(roles, issues) == 1 ? std::ranges::find_if(roles, issues)->certificate : nullptr;
}

std::string fingerprint_of(const Certificate& certificate) {
    return "SHA256:" + to_hex(certificate.fingerprint(), ':');
}

std::vector<std::string> needed_legacy(const scep::Capabilities& capabilities) {
    struct Permission {
        scep::LegacyPermissions permits;
        std::vector<std::string> entries;
    };
    const std::vector<Permission> permissions{
        {{}, {}},
        {{false, true, false, false}, {"des3"}},
        {{false, false, true, true}, {"sha1-request", "sha1-reply"}},
        {{true, true, true, true}, {"des3", "sha1-request", "sha1-reply", "des-cbc-reply"}},
    };
    for (const Permission& permission : permissions) {
        if (scep::choose_algorithms(capabilities, permission.permits)) {
            return permission.entries;
        }
    }
    return {};
}

bool is_preset(std::string_view word) {
    return std::ranges::any_of(config::presets, [&](const auto& preset) { return preset.first == word; });
}

std::string url_of(const CaQuestion& question) {
    const auto settings = settings_of(question);
    return settings ? settings->urls.front() : question.url;
}

Result<CaChoice> ask_for_choice(const CaQuestion& question) {
    auto settings = settings_of(question);
    if (!settings) {
        return fail(settings.error());
    }
    CaChoice choice;
    choice.settings = *std::move(settings);
    for (const auto& [name, section] : question.existing.authorities) {
        if (std::ranges::find(section.urls, choice.settings.urls.front()) != section.urls.end()) {
            choice.settings = section;
            choice.known = true;
            break;
        }
    }
    auto answer = runtime::ask_ca(choice.settings, question.existing.limits);
    if (!answer) {
        return fail(answer.error());
    }
    choice.answer = *std::move(answer);
    choice.roles = roles_of(choice.answer.certificates);
    if (const Status chosen = choose_pin(choice, question); !chosen) {
        return fail(chosen.error());
    }
    return choice;
}

std::string to_text(const CaChoice& choice) {
    std::string out =
        choice.answer.url + "\n  announces    " + printable(scep::to_text(choice.answer.capabilities), 400) + "\n";
    for (const CaRole& role : choice.roles) {
        const Certificate& certificate = *role.certificate;
        out += fmt::format("\n{}: {}\n  key          {}\n  valid        {} to {}\n  fingerprint  {}\n", role.text,
                           printable(certificate.subject().text(), 400), certificate.public_key().text(),
                           to_iso8601(certificate.not_before()), to_iso8601(certificate.not_after()),
                           fingerprint_of(certificate));
    }
    return out + (choice.known ? "\n[ca." + choice.settings.name + "] is configured already and pins it" : "");
}

Result<ConfigurationDraft::Ca> draft_of(const CaChoice& choice, const CaQuestion& question) {
    ConfigurationDraft::Ca ca;
    ca.known = choice.known;
    auto envelope = envelope_of(choice, question);
    if (!envelope) {
        return fail(envelope.error());
    }
    ca.envelope = *std::move(envelope);
    const auto set =
        scep::authenticate(choice.answer.certificates, expectation(choice, question, ca.envelope == "password"));
    if (!set) {
        return fail(set.error());
    }
    const auto role =
        std::ranges::find_if(choice.roles, [&](const CaRole& one) { return one.certificate == choice.pin; });
    ca.description = role->text + ", " + choice.pin->subject().text();
    ca.fingerprint = fingerprint_of(*choice.pin);
    ca.url = question.url;
    ca.preset = question.preset;
    ca.weak = needed_legacy(choice.answer.capabilities);
    constexpr Seconds year = std::chrono::hours(365 * 24);
    ca.weak_until = to_iso8601(question.now + year).substr(0, 10);
    if (choice.known) {
        ca.name = choice.settings.name;
        return ca;
    }
    const std::string name = question.name.value_or("corp");
    ca.name = name;
    for (int number = 2; question.existing.authorities.contains(ca.name); ++number) {
        ca.name = fmt::format("{}-{}", name, number);
    }
    return ca;
}

}  // namespace hwenroll::cli
