// What the running agent offers on its control socket.
#pragma once

#include <map>

#include "agent/control/service.h"
#include "agent/runtime/agent.h"
#include "agent/runtime/key_tests.h"

namespace hwenroll::runtime {

/// Answers from the agent's memory and acts through it. On the loop's thread; all references outlive it.
class AgentService final : public control::ControlService {
 public:
    /// `version` is the running program's.
    AgentService(EventLoop& loop, Agent& agent, store::Store& store, const Clock& clock, std::string version)
        : agent_(agent),
          store_(store),
          clock_(clock),
          version_(std::move(version)),
          key_tests_(loop, [this](const std::string& identity) { return impediment_of(identity); }) {}

    /// From now on this is the configuration; it must outlive the next call. Its identities are the agent's to know.
    void adopt(const config::Configuration& configuration);

    /// The agent rests and touches nothing, for this reason, until `wake`, which an operator's `resume` calls. Nothing:
    /// it works.
    void rest(std::optional<Error> why, std::function<Status()> wake) {
        rest_ = std::move(why);
        wake_ = std::move(wake);
    }

    /// Says why what was refused by a reload would be refused by another one now; empty: it would not (X14). Nothing:
    /// none was refused.
    void refuse_reload(std::function<std::string()> why) { refused_reload_ = std::move(why); }

    /// Something happened to an identity: passed on to those who watch.
    void tell(const std::string& identity, const std::string& text, const std::optional<Error>& failure);

    Result<std::vector<control::IdentityView>> status(const std::optional<std::string>& identity) override;
    Result<std::vector<control::IdentityView>> status_page(const std::string& after, std::size_t limit) override;
    Result<control::Overview> overview_page(const std::string& after, std::size_t limit) override;
    Result<control::Health> health() override;
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

 private:
    [[nodiscard]] Result<IdentityRunner*> runner(const std::string& identity);
    [[nodiscard]] std::vector<std::string> names(const std::string& after, std::size_t limit) const;
    [[nodiscard]] bool is_known(const std::string& identity) const;
    [[nodiscard]] std::optional<Error> fault_of(const std::string& identity) const;
    [[nodiscard]] std::string notice_of(const std::string& authority);
    [[nodiscard]] std::string resting_word() const;
    [[nodiscard]] control::IdentityView resting_view(control::IdentityView view) const;
    [[nodiscard]] control::OverviewRow resting_row(control::OverviewRow row) const;
    Result<control::IdentityView> view(const std::string& identity);
    Result<control::OverviewRow> row(const std::string& identity, TimePoint now);
    Status add_metrics(observe::Metrics& metrics, const std::string& identity, TimePoint now);
    Result<CrlWatch*> crls_of(const std::string& ca);
    [[nodiscard]] std::string impediment_of(const std::string& identity);
    [[nodiscard]] std::optional<KeyToTry> key_to_try(const std::string& identity);
    [[nodiscard]] std::optional<control::CrlView> crl_view(const IdentityRunner& runner);
    Result<control::Acceptance> want(const std::string& identity, const lifecycle::Event& event,
                                     const std::string& begun);

    Agent& agent_;
    store::Store& store_;
    const Clock& clock_;
    std::string version_;
    std::function<std::string()> refused_reload_;
    const config::Configuration* configuration_ = nullptr;
    std::map<std::string, const config::Finding*> faults_;  ///< the first of each identity that has one
    std::map<std::string, Error> orphans_;                  ///< what has left the configuration (F4)
    EventSink sink_;
    std::optional<Error> rest_;
    std::function<Status()> wake_;
    KeyTests key_tests_;
};

}  // namespace hwenroll::runtime
