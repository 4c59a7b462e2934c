// A ControlService without an agent, and a PeerSource without users.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "agent/control/peer.h"
#include "agent/control/service.h"

namespace hwenroll::test {

/// 2026-11-23T18:00:00Z.
TimePoint sample_time();

/// A view with every member set.
control::IdentityView full_view(const std::string& name);

/// With every member set.
control::Health full_health();

/// With every member set.
control::KeyTestView full_key_test(const std::string& identity);

/// An event of `name`.
control::IdentityEvent sample_event(const std::string& name, const std::string& text, bool settled = false,
                                    std::optional<ErrorCode> error = {});

/// Knows the identities that a test gives it and records what it is asked for. One thread.
class ControlServiceFake final : public control::ControlService {
 public:
    Result<std::vector<control::IdentityView>> status(const std::optional<std::string>& identity) override;
    Result<std::vector<control::IdentityView>> status_page(const std::string& after, std::size_t limit) override;
    Result<control::Overview> overview_page(const std::string& after, std::size_t limit) override;
    Result<control::Health> health() override { return condition; }
    Result<control::MetricsPage> metrics_page(const std::string& after, std::size_t limit) override;
    Result<control::Acceptance> enroll(const std::string& identity) override;
    Result<control::Acceptance> renew(const std::string& identity, bool rekey) override;
    Result<control::Acceptance> cancel(const std::string& identity) override;
    Result<control::Acceptance> accept_next(const std::string& ca,
                                            const std::optional<std::string>& fingerprint) override;
    void adopt_certificate(const std::string& identity, const std::string& certificates, Accepted done) override;
    void fetch_crl(const std::string& ca, Accepted done) override;
    void fetch_certificate(const std::string& ca, const std::string& serial, Accepted done) override;
    void test_keys(const std::optional<std::string>& identity, Tested done) override;
    Result<control::ResumptionView> resume(const std::string& identity) override;
    Result<std::vector<control::HistoryEvent>> history(const std::optional<std::string>& identity,
                                                       std::int64_t limit) override;
    void subscribe(EventSink sink) override { sink_ = std::move(sink); }

    /// Reports an event if there is a sink.
    void report(const control::IdentityEvent& event);
    [[nodiscard]] bool subscribed() const { return sink_ != nullptr; }

    std::map<std::string, control::IdentityView> views;
    std::vector<std::string> pages;                   ///< the names after which they were to begin
    std::function<void()> on_page;                    ///< called before each page
    std::optional<std::string> unreadable;            ///< the identity whose view is the error internal
    std::vector<std::string> asked;                   ///< `renew web rekey`
    std::optional<control::IdentityEvent> on_change;  ///< reported from within every change
    control::Health condition = full_health();        ///< the answer of health()
    control::Acceptance acceptance{true, "begun"};
    std::optional<Error> failure;  ///< of every change
    bool adopts_later = false;     ///< adoptions wait in `adopting`
    std::vector<Accepted> adopting;
    bool tests_later = false;  ///< tests of keys wait in `testing`
    std::vector<Tested> testing;

 private:
    Result<control::Acceptance> take(const std::string& what, const std::string& identity);
    EventSink sink_;
};

/// Says of every client what a test wants.
class PeerSourceFake final : public control::PeerSource {
 public:
    Result<control::Peer> peer(int fd) override;
    bool is_member(const control::Peer& peer, gid_t group) override;
    std::string program(const control::Peer& peer) override;

    std::deque<control::Peer> next;  ///< of the clients to come; `standard` when empty
    control::Peer standard{0, 0, 4242};
    bool known = true;  ///< false: peer() fails
    std::set<std::pair<uid_t, gid_t>> members;
    int membership_questions = 0;
    std::string runs = "/usr/bin/hwenroll";  ///< every client does
};

}  // namespace hwenroll::test
