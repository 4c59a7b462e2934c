#include "agent/runtime/agent.h"

#include <algorithm>
#include <array>

namespace hwenroll::runtime {
namespace {

constexpr std::string_view user_agent = "hwenroll";

/// All that lives for the length of a run. Members end in reverse order: identities before what they refer to.
class Run {
 public:
    Run(const config::Configuration& configuration, std::unique_ptr<EventLoop> loop, store::Store& store,
        const Clock& clock, observe::Log& log)
        : configuration_(configuration),
          loop_(std::move(loop)),
          at_{*loop_, store, clock, log},
          progress_(observe::Progress::wanted()),
          publisher_(configuration.agent.publish_dir),
          client_(*loop_, std::string(user_agent)) {
        loop_->serve(client_);
        loop_->every(observe::Progress::interval, [this] { progress_.tick(); });
    }

    void prepare(const keystore::WorkerProgram& worker) {
        if (const Status swept = publisher_.sweep(); !swept) {
            at_.log.write({observe::Level::warning, swept.error().line()});
        }
        for (const auto& [name, settings] : configuration_.identities) {
            const auto& token = configuration_.tokens.at(settings.token);
            const auto& authority = configuration_.authorities.at(settings.ca);
            auto& token_access = tokens_[settings.token];
            if (!token_access) {
                token_access = std::make_unique<TokenAccess>(at_, worker, token);
            }
            auto& authority_access = authorities_[settings.ca];
            if (!authority_access) {
                authority_access = std::make_unique<AuthorityAccess>(at_, client_, authority, configuration_.limits);
            }
            identities_.push_back(std::make_unique<IdentityRunner>(at_, progress_, publisher_, *token_access,
                                                                   *authority_access, settings));
        }
    }

    Status work(std::vector<Error>& errors) {
        left_ = identities_.size();
        if (left_ == 0) {
            return {};
        }
        loop_->post([this, &errors] {
            for (const auto& identity : identities_) {
                identity->start([this, &errors](const std::optional<Error>& error) {
                    if (error) {
                        errors.push_back(*error);
                    }
                    if (--left_ == 0) {
                        loop_->stop();
                    }
                });
            }
        });
        return loop_->run();
    }

    [[nodiscard]] std::size_t left() const { return left_; }

 private:
    const config::Configuration& configuration_;
    std::unique_ptr<EventLoop> loop_;
    Surroundings at_;
    observe::Progress progress_;
    publish::Publisher publisher_;
    http::Client client_;
    std::size_t left_ = 0;
    std::map<std::string, std::unique_ptr<AuthorityAccess>> authorities_;
    std::vector<std::unique_ptr<IdentityRunner>> identities_;
    std::map<std::string, std::unique_ptr<TokenAccess>> tokens_;  // first to end: their jobs refer to the rest
};

RunOutcome outcome_of(std::vector<Error> errors) {
    return {combined_exit_code(errors), std::move(errors)};
}

}  // namespace

int combined_exit_code(const std::vector<Error>& errors) {
    constexpr std::array severity{0, 75, 69, 76, 77, 78, 70};
    const auto rank = [&](int code) {
        const auto* const found = std::find(severity.begin(), severity.end(), code);
        return found == severity.end() ? severity.size() - 1 : static_cast<std::size_t>(found - severity.begin());
    };
    std::size_t worst = 0;
    for (const Error& error : errors) {
        worst = std::max(worst, rank(error.info().exit_code));
    }
    return severity.at(worst);
}

RunOutcome run_once(const config::Configuration& configuration, const keystore::WorkerProgram& worker,
                    const Clock& clock, observe::Log& log) {
    std::vector<Error> errors;
    for (const config::Finding& finding : configuration.findings) {
        errors.push_back(finding.error);
    }
    store::HistoryLimits history;
    history.keep = configuration.agent.history_keep;
    auto store = store::Store::open(configuration.agent.state_dir, history);
    if (!store) {
        errors.push_back(Error(store.error()).about("agent"));
        return outcome_of(std::move(errors));
    }
    EventLoop* stopping = nullptr;
    bool stopped = false;
    auto loop = EventLoop::make([&] {
        stopped = true;
        stopping->stop();
    });
    if (!loop) {
        errors.push_back(Error(loop.error()).about("agent"));
        return outcome_of(std::move(errors));
    }
    stopping = loop->get();
    Run run(configuration, *std::move(loop), *store, clock, log);
    run.prepare(worker);
    if (const Status worked = run.work(errors); !worked) {
        errors.push_back(Error(worked.error()).about("agent"));
    }
    if (stopped) {
        errors.push_back(Error(ErrorCode::interrupted, std::to_string(run.left()) + " identities were under way when a "
                                                                                    "signal ended the run")
                             .about("agent"));
    }
    return outcome_of(std::move(errors));
}

}  // namespace hwenroll::runtime
