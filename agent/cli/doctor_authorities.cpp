// CAs as `hwenroll doctor` sees them.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/cli/doctor_checks.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/legacy_reminder.h"
#include "agent/runtime/queries.h"
#include "agent/runtime/transaction_algorithms.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::cli {
namespace {

using config::AuthoritySettings;

std::string spelled(const Bytes& fingerprint) {
    return "SHA256:" + to_hex(fingerprint, ':');
}

/// The line for the configuration under which a machine may enroll with any of these (design §4).
std::string fingerprint_line(const std::vector<Bytes>& fingerprints) {
    std::vector<std::string> quoted;
    quoted.reserve(fingerprints.size());
    for (const Bytes& fingerprint : fingerprints) {
        quoted.push_back('"' + spelled(fingerprint) + '"');
    }
    return fmt::format("fingerprint = [{}]", fmt::join(quoted, ", "));
}

bool is_pinned(const AuthoritySettings& settings, const Bytes& fingerprint) {
    return std::ranges::find(settings.fingerprints, fingerprint) != settings.fingerprints.end();
}

std::vector<Bytes> with(const Bytes& first, const std::vector<Bytes>& others) {
    std::vector<Bytes> all{first};
    all.insert(all.end(), others.begin(), others.end());
    return all;
}

/// Which of the certificates has which part, and which has none (SIG-13).
void report_roles(DoctorReport& report, const std::string& about, const scep::CaSet& set) {
    std::vector<std::string> signers;
    for (const Certificate& signer : set.signers) {
        signers.push_back(signer.subject().text());
    }
    const bool ra = !(set.recipient == set.issuer);
    report.ok(about,
              fmt::format("requests are encrypted to {} '{}'; replies may be signed by: {}",
                          ra ? "the RA" : "the CA itself,", set.recipient.subject().text(), fmt::join(signers, "; ")));
    for (const scep::UnusedCertificate& unused : set.unused) {
        report.warn(about, fmt::format("'{}' has no part: {}", unused.certificate.subject().text(), unused.reason),
                    unused.advice);
    }
    for (const std::string& warning : set.warnings) {
        report.warn(about, warning, {});
    }
}

void report_algorithms(DoctorReport& report, const std::string& about, const AuthoritySettings& settings,
                       const scep::Capabilities& capabilities, TimePoint now) {
    const auto chosen = scep::choose_algorithms(capabilities, runtime::permissions_of(settings.legacy, now, true),
                                                runtime::algorithm_choice(settings));
    if (!chosen) {
        return report.fail(about, chosen.error());
    }
    report.ok(about, fmt::format("announces {}; used: {}; renewal {}, successor {}",
                                 capabilities == scep::Capabilities() ? "nothing" : scep::to_text(capabilities),
                                 runtime::request_text(*chosen),
                                 capabilities.allows_renewal() ? "by RenewalReq" : "by PKCSReq",
                                 capabilities.allows_next_ca() ? "by GetNextCACert" : "not announced"));
}

std::vector<Certificate> certificates_of(const std::vector<Bytes>& ders) {
    std::vector<Certificate> certificates;
    for (const Bytes& der : ders) {
        if (auto certificate = Certificate::from_der(der)) {
            certificates.push_back(*std::move(certificate));
        }
    }
    return certificates;
}

scep::CaExpectation expectation(const Examination& examination, const AuthoritySettings& settings,
                                std::vector<Bytes> pinned) {
    const TimePoint now = examination.clock.now();
    return {std::move(pinned),
            now,
            runtime::parse_limits(examination.configuration.limits, true),
            runtime::ra_rule(settings),
            runtime::permissions_of(settings.legacy, now, true),
            settings.envelope == config::EnvelopeMode::password};
}

void report_pins(DoctorReport& report, const std::string& about, const AuthoritySettings& settings,
                 const lifecycle::AuthorityState& state) {
    const lifecycle::AuthorityRecord& current = *state.current;
    if (!is_pinned(settings, current.anchor_fingerprint)) {
        report.warn(about,
                    "it came by a rollover: another machine, or this one after a new installation, could not "
                    "enroll under the configured fingerprint",
                    fingerprint_line(with(current.anchor_fingerprint, settings.fingerprints)));
    } else {
        report.ok(about, "its configured fingerprint fits: " + spelled(current.anchor_fingerprint));
    }
    if (state.next && !is_pinned(settings, state.next->anchor_fingerprint)) {
        report.warn(about, "its successor is known and trusted; the configuration does not name it yet",
                    fingerprint_line(with(state.next->anchor_fingerprint, settings.fingerprints)));
    }
    if (state.candidate) {
        report.warn(about, "a successor waits for an operator: " + spelled(state.candidate->anchor_fingerprint),
                    fmt::format("hwenroll ca accept-next {} --fingerprint {}", settings.name,
                                spelled(state.candidate->anchor_fingerprint)));
    }
}

void report_times(Examination& examination, const std::string& about, const lifecycle::AuthorityRecord& current) {
    const TimePoint now = examination.clock.now();
    if (now < current.not_before) {
        examination.report.fail(ErrorCode::ca_certificate, about,
                                "it begins at " + to_iso8601(current.not_before) + ": this machine's clock is behind",
                                "timedatectl set-ntp true");
    } else if (now >= current.not_after) {
        examination.report.fail(ErrorCode::ca_certificate, about, "it has ended at " + to_iso8601(current.not_after),
                                "hwenroll ca show " + std::string(about.substr(3)));
    } else {
        examination.report.ok(about,
                              "ends at " + to_iso8601(current.not_after) + ", in " + to_words(current.not_after - now));
    }
}

void check_stored(Examination& examination, const std::string& about, const AuthoritySettings& settings) {
    DoctorReport& report = examination.report;
    const auto state = examination.store->authority(settings.name);
    if (!state) {
        return report.fail(about, state.error());
    }
    if (!state->current) {
        return report.ok(about, "not asked by the agent yet");
    }
    report_pins(report, about, settings, *state);
    report_times(examination, about, *state->current);
    if (examination.against_ca) {
        return;  // what it says now is the better answer
    }
    const auto set = scep::authenticate(certificates_of(state->current->certificates),
                                        expectation(examination, settings, {state->current->anchor_fingerprint}));
    set ? report_roles(report, about, *set) : report.fail(about, set.error());
    report_algorithms(report, about, settings, scep::parse_capabilities(as_bytes(state->current->capabilities)),
                      examination.clock.now());
}

void report_skew(Examination& examination, const std::string& about, const std::optional<TimePoint>& date) {
    if (!date) {
        return;
    }
    const Seconds ahead = examination.clock.now() - *date;
    const Seconds skew = ahead < Seconds(0) ? -ahead : ahead;
    if (skew > examination.configuration.limits.clock_skew) {
        examination.report.warn(about,
                                fmt::format("this machine's clock is {} {} the CA's", to_words(skew),
                                            ahead < Seconds(0) ? "behind" : "ahead of"),
                                "timedatectl set-ntp true");
    } else {
        examination.report.ok(about, "its clock and this machine's differ by " + to_words(skew));
    }
}

/// What is trusted: the configured ones and the stored one, which may have come by a rollover.
std::vector<Bytes> trusted_fingerprints(Examination& examination, const AuthoritySettings& settings) {
    std::vector<Bytes> trusted = settings.fingerprints;
    const auto state = examination.store ? examination.store->authority(settings.name)
                                         : Result<lifecycle::AuthorityState>(lifecycle::AuthorityState());
    if (state && state->current) {
        trusted.push_back(state->current->anchor_fingerprint);
    }
    if (state && state->next) {
        trusted.push_back(state->next->anchor_fingerprint);
    }
    return trusted;
}

void ask(Examination& examination, const std::string& about, const AuthoritySettings& settings,
         const std::string& url) {
    DoctorReport& report = examination.report;
    AuthoritySettings one = settings;
    one.urls = {url};
    const auto answer = runtime::ask_ca(one, examination.configuration.limits);
    if (!answer) {
        return report.fail(about, answer.error());
    }
    report.ok(about, "answers");
    report_skew(examination, about, answer->date);
    report_algorithms(report, about, settings, answer->capabilities, examination.clock.now());
    const auto set = scep::authenticate(
        answer->certificates, expectation(examination, settings, trusted_fingerprints(examination, settings)));
    set ? report_roles(report, about, *set) : report.fail(about, set.error());
}

void check_legacy(Examination& examination, const std::string& about, const AuthoritySettings& settings) {
    if (!settings.legacy.any() || !settings.legacy.until) {
        return;
    }
    const TimePoint now = examination.clock.now();
    const std::string notice = runtime::legacy_notice(settings.name, settings.legacy, now);
    if (!notice.empty()) {
        examination.report.warn(about, notice, "correct 'legacy' and 'legacy_until' of [ca." + settings.name + "]");
    } else {
        examination.report.ok(about, "'legacy' permits weak algorithms until " + to_iso8601(*settings.legacy.until));
    }
}

}  // namespace

void check_authorities(Examination& examination) {
    examination.report.begin("CAs");
    for (const auto& [name, settings] : examination.configuration.authorities) {
        const std::string about = "CA " + name;
        if (examination.store) {
            check_stored(examination, about, settings);
        }
        check_legacy(examination, about, settings);
        for (const std::string& url : settings.urls) {
            if (examination.against_ca) {
                ask(examination, fmt::format("{} at {}", about, url), settings, url);
            }
        }
        if (!examination.against_ca) {
            examination.report.ok(about, "not asked; 'hwenroll doctor --against-ca' does");
        }
    }
}

}  // namespace hwenroll::cli
