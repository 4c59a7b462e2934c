#include "tests/agent/control/control_service_fake.h"

#include <algorithm>
#include <utility>

#include "agent/control/identity_view.h"

namespace hwenroll::test {

TimePoint sample_time() {
    return std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + std::chrono::hours(18);
}

control::IdentityView full_view(const std::string& name) {
    control::IdentityView view;
    view.name = name;
    view.ca = "corp";
    view.token = "lab";
    view.subject = "CN=" + name;
    view.word = "OK";
    view.next = "nothing due";
    view.waiting_for = "nothing";
    view.notice = "CA 'corp' announces its successor";
    view.settled = true;
    view.at = sample_time();
    view.next_at = sample_time() + Seconds(1);
    view.renew_at = sample_time() + Seconds(2);
    view.shadow_not_before = sample_time() + Seconds(3);
    view.generation = 7;
    view.published = "/live/" + name + "/current";
    view.key_id = "0A0B";
    view.certificate = {
        "CN=" + name, "CN=CA", "1F", "SHA256:AB:CD", sample_time() - Seconds(86400), sample_time() + Seconds(86400)};
    view.failure = {ErrorCode::ca_timeout, "E-CA-TIMEOUT it took too long; retried later", sample_time(), 3};
    view.crl = {
        "cdp", "05", sample_time(), sample_time() + Seconds(4), 9, sample_time() + Seconds(5), "E-CRL-UNUSABLE no"};
    view.delivery = {7,
                     2,
                     ErrorCode::hook_failed,
                     "E-HOOK-FAILED no",
                     sample_time() - Seconds(6),
                     sample_time() + Seconds(7),
                     sample_time() + Seconds(8)};
    return view;
}

control::Health full_health() {
    control::Health health{sample_time(),    "1.2.3", "AB12", "the new configuration is not in force",
                           "no time server", {},      {}};
    health.authorities.push_back({"corp", "next-known", sample_time() + Seconds(1), sample_time() + Seconds(2),
                                  sample_time() + Seconds(3), "E-CA-TIMEOUT it took too long; retried later"});
    health.tokens.push_back({"lab", "busy", "few-tries", 42, "E-TOKEN-DEADLINE token 'lab' did not answer", true});
    return health;
}

control::KeyTestView full_key_test(const std::string& identity) {
    return {identity,
            "failed",
            "lab",
            "RSA 2048",
            "the key cannot sign (CKR_FUNCTION_FAILED)",
            "hwenroll renew --rekey",
            ErrorCode::token_self_test};
}

control::IdentityEvent sample_event(const std::string& name, const std::string& text, bool settled,
                                    std::optional<ErrorCode> error) {
    return {name, sample_time(), settled ? "OK" : "REQUESTED", text, settled, error};
}

Result<std::vector<control::IdentityView>> ControlServiceFake::status(const std::optional<std::string>& identity) {
    std::vector<control::IdentityView> found;
    for (const auto& [name, view] : views) {
        if (!identity || *identity == name) {
            found.push_back(view);
        }
    }
    if (identity && found.empty()) {
        return fail(Error(ErrorCode::unknown_name, "there is no identity '" + *identity + "'"));
    }
    return found;
}

Result<std::vector<control::IdentityView>> ControlServiceFake::status_page(const std::string& after,
                                                                           std::size_t limit) {
    pages.push_back(after);
    if (on_page) {
        on_page();
    }
    std::vector<control::IdentityView> page;
    for (auto view = views.upper_bound(after); view != views.end() && page.size() < limit; ++view) {
        if (view->first == unreadable) {
            return fail(ErrorCode::internal, "cannot read the certificate of '" + view->first + "'");
        }
        page.push_back(view->second);
    }
    return page;
}

Result<control::Overview> ControlServiceFake::overview_page(const std::string& after, std::size_t limit) {
    const auto page = status_page(after, limit);
    return page ? Result<control::Overview>(control::overview_of(*page)) : fail(page.error());
}

/// Of each identity its consecutive failures.
Result<control::MetricsPage> ControlServiceFake::metrics_page(const std::string& after, std::size_t limit) {
    const auto page = status_page(after, limit);
    if (!page) {
        return fail(page.error());
    }
    observe::Metrics metrics;
    if (after.empty()) {
        metrics.add("hwenroll_up", {}, 1);
    }
    for (const control::IdentityView& view : *page) {
        metrics.add("hwenroll_consecutive_failures", {{"identity", view.name}},
                    view.failure ? view.failure->consecutive : 0);
    }
    return control::MetricsPage{metrics.families(), page->empty() ? after : page->back().name, page->size() < limit};
}

Result<control::Acceptance> ControlServiceFake::take(const std::string& what, const std::string& identity) {
    asked.push_back(what);
    if (!views.contains(identity)) {
        return fail(Error(ErrorCode::unknown_name, "there is no identity '" + identity + "'"));
    }
    if (on_change) {
        report(*on_change);
    }
    return failure ? Result<control::Acceptance>(fail(*failure)) : acceptance;
}

Result<control::Acceptance> ControlServiceFake::enroll(const std::string& identity) {
    return take("enroll " + identity, identity);
}

Result<control::Acceptance> ControlServiceFake::renew(const std::string& identity, bool rekey) {
    return take("renew " + identity + (rekey ? " rekey" : ""), identity);
}

Result<control::Acceptance> ControlServiceFake::cancel(const std::string& identity) {
    return take("cancel " + identity, identity);
}

Result<control::Acceptance> ControlServiceFake::accept_next(const std::string& ca,
                                                            const std::optional<std::string>& fingerprint) {
    asked.push_back("accept-next " + ca + (fingerprint ? " " + *fingerprint : ""));
    return failure ? Result<control::Acceptance>(fail(*failure)) : acceptance;
}

void ControlServiceFake::adopt_certificate(const std::string& identity, const std::string& certificates,
                                           Accepted done) {
    const auto taken = take("adopt " + identity + " " + std::to_string(certificates.size()), identity);
    if (adopts_later) {
        adopting.push_back(std::move(done));
    } else {
        done(taken);
    }
}

void ControlServiceFake::fetch_crl(const std::string& ca, Accepted done) {
    asked.push_back("fetch-crl " + ca);
    done(failure ? Result<control::Acceptance>(fail(*failure)) : acceptance);
}

void ControlServiceFake::fetch_certificate(const std::string& ca, const std::string& serial, Accepted done) {
    asked.push_back("fetch-certificate " + ca + " " + serial);
    control::Acceptance given = acceptance;
    given.certificate = "PEM";
    done(failure ? Result<control::Acceptance>(fail(*failure)) : given);
}

void ControlServiceFake::test_keys(const std::optional<std::string>& identity, Tested done) {
    asked.push_back("test-keys " + identity.value_or("all"));
    if (tests_later) {
        testing.push_back(std::move(done));
    } else if (identity && !views.contains(*identity)) {
        done(fail(Error(ErrorCode::unknown_name, "there is no identity '" + *identity + "'")));
    } else {
        done(std::vector{full_key_test(identity.value_or("web"))});
    }
}

Result<control::ResumptionView> ControlServiceFake::resume(const std::string& identity) {
    const auto taken = take("resume " + identity, identity);
    return taken ? Result<control::ResumptionView>(control::ResumptionView{"lab", true, true, false})
                 : fail(taken.error());
}

Result<std::vector<control::HistoryEvent>> ControlServiceFake::history(const std::optional<std::string>& identity,
                                                                       std::int64_t limit) {
    std::vector<control::HistoryEvent> events;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(limit, 3); ++i) {
        events.push_back(
            {"identity", identity.value_or("any"), sample_time() - Seconds(i), "event " + std::to_string(i)});
    }
    return events;
}

void ControlServiceFake::report(const control::IdentityEvent& event) {
    if (sink_) {
        sink_(event);
    }
}

Result<control::Peer> PeerSourceFake::peer(int) {
    if (!known) {
        return fail(ErrorCode::internal, "cannot tell who is connected");
    }
    if (next.empty()) {
        return standard;
    }
    const control::Peer peer = next.front();
    next.pop_front();
    return peer;
}

bool PeerSourceFake::is_member(const control::Peer& peer, gid_t group) {
    ++membership_questions;
    return members.contains({peer.uid, group});
}

std::string PeerSourceFake::program(const control::Peer&) {
    return runs;
}

}  // namespace hwenroll::test
