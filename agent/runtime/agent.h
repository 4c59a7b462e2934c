// The agent as a whole: all identities, tokens and CAs of one configuration on one loop.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/runtime/crl_watch.h"
#include "agent/runtime/identity_runner.h"

namespace hwenroll::runtime {

/// Begins what is due, and goes on until it ends. On the loop's thread.
class Agent {
 public:
    /// Who watches. Called on the loop; may call the agent.
    struct Watchers {
        std::function<void(const std::string& identity, const IdentityNews& news)> news;
        std::function<void(const std::string& identity, const std::optional<Error>& outcome)> settled;
        std::function<void()> quiet;  ///< nothing is under way any more
        std::function<void(const std::string& authority, const std::string& text)> authority_alert = {};
    };

    /// The references outlive the agent; `loop` runs later.
    Agent(EventLoop& loop, store::Store& store, const Clock& clock, observe::Log& log, keystore::WorkerProgram worker,
          Watchers watchers);
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent();

    /// Takes a configuration over, the first one or another one. What is under way goes on and is followed by what the
    /// new configuration wants; a part that is unchanged is not disturbed.
    void adopt(const config::Configuration& configuration);

    /// Looks at the clock and begins what is due. Called by itself in time, by others when something may have changed;
    /// with `all` where that is the clock, since what is due by another time is not what was.
    void tick(bool all = false);

    /// Ends what runs on tokens (see WorkerToken::interrupt), logins after `login_patience`, which is that of all
    /// tokens together. The loop must not run afterwards.
    void interrupt(std::chrono::milliseconds login_patience);

    /// The runner of an identity that is configured without a fault; nullptr otherwise.
    [[nodiscard]] IdentityRunner* find(const std::string& identity);

    /// A CA that is configured without a fault; nullptr otherwise.
    [[nodiscard]] AuthorityAccess* find_authority(const std::string& authority);

    /// The CRLs of such a CA; nullptr otherwise.
    [[nodiscard]] CrlWatch* find_crls(const std::string& authority);

    /// Names of the identities that are configured without a fault, in order: the first `limit` of those after `after`.
    [[nodiscard]] std::vector<std::string> identities(const std::string& after, std::size_t limit) const;

    /// By their names, of the configuration in force.
    [[nodiscard]] const TokenDirectory& tokens() const { return tokens_; }
    [[nodiscard]] const std::map<std::string, std::shared_ptr<AuthorityAccess>>& authorities() const {
        return authorities_;
    }

    /// Identities that have something under way.
    [[nodiscard]] std::size_t busy() const;

    [[nodiscard]] const ClockTrust& clock_trust() const { return clock_trust_; }

    /// What was done since the process began.
    [[nodiscard]] const WorkCounts& counts() const { return counts_; }

 private:
    struct Resident {
        std::unique_ptr<IdentityRunner> runner;
        std::unique_ptr<IdentityRunner> successor;  ///< takes over when the runner is settled; settings have changed
        bool leaving = false;                       ///< no longer configured
    };

    void adopt_tokens(const config::Configuration& configuration);
    void adopt_authorities(const config::Configuration& configuration);
    void adopt_crls();
    [[nodiscard]] std::vector<IdentityRunner*> runners_of(const std::string& authority) const;
    void tick_crls();
    void adopt_identity(const config::IdentitySettings& settings);
    void start(IdentityRunner& runner);
    void on_settled(const std::string& identity, const std::optional<Error>& outcome);
    void sweep();
    void on_authority_change(const std::string& authority);
    void arm();
    /// True when what it says of the clock has changed: machines look at more than the time.
    void tell_if_quiet();
    bool look_at_clock();

    EventLoop& loop_;
    ClockTrust clock_trust_;
    WorkCounts counts_;
    std::string clock_unkept_;  ///< why the floor could not be kept, said once for each cause
    Surroundings at_;
    keystore::WorkerProgram worker_;
    Watchers watchers_;
    observe::Progress progress_;
    std::unique_ptr<publish::Publisher> publisher_;
    std::vector<std::unique_ptr<publish::Publisher>> former_publishers_;
    http::Client client_;
    std::shared_ptr<const Places> places_;
    std::map<std::string, std::shared_ptr<AuthorityAccess>> authorities_;
    std::map<std::string, std::shared_ptr<CrlWatch>> crls_;
    TokenDirectory tokens_;
    std::vector<std::weak_ptr<TokenAccess>> former_tokens_;
    std::map<std::string, Resident> residents_;
    bool sweeping_ = false;
    Watch alarm_;
};

}  // namespace hwenroll::runtime
