// Carries out what the machine decides for one identity and tells it how that went.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/lifecycle/step.h"
#include "agent/observe/progress.h"
#include "agent/publish/publisher.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/request_jobs.h"
#include "agent/runtime/token_access.h"

namespace hwenroll::runtime {

/// One identity. On the loop's thread; at most one effect is under way.
class IdentityRunner {
 public:
    /// Called when no effect is left: the identity is settled until the next event. The error is the one that a run
    /// should end with, nothing when all is well.
    using Settled = std::function<void(const std::optional<Error>&)>;

    IdentityRunner(const Surroundings& surroundings, observe::Progress& progress, publish::Publisher& publisher,
                   TokenAccess& token, AuthorityAccess& authority, config::IdentitySettings settings);

    /// Reads the stored state and begins (event Started).
    void start(Settled settled);

    [[nodiscard]] const std::string& name() const { return settings_.name; }
    [[nodiscard]] const lifecycle::IdentityState& state() const { return state_; }

 private:
    void dispatch(const lifecycle::Event& event);
    void failed(const Error& error, bool answered = false);
    void conclude(lifecycle::Event outcome);
    void settle(const std::optional<Error>& error);
    [[nodiscard]] std::optional<Error> outcome() const;
    void say(const std::string& note);
    void warn(const std::string& warning);
    [[nodiscard]] std::string awaiting_answer() const;

    void run(const lifecycle::MakeKey& effect);
    void run(const lifecycle::PrepareRequest& effect);
    void run(const lifecycle::SendRequest& effect);
    void run(const lifecycle::SendPoll& effect);
    void run(const lifecycle::ReconsiderAuthority& effect);
    void run(const lifecycle::PublishGeneration& effect);

    void adopt_key(const lifecycle::MakeKey& effect, const config::ExistingKey& existing);
    void prepare(const scep::TransactionId& id, const SharedAuthority& authority);
    void send(scep::MessageType type);
    void sign(scep::MessageType type, const SharedAuthority& authority);
    void exchange(const SharedAuthority& authority, const Bytes& message);
    void warn_of_long_url(const RequestForm& form);
    void judge(const SharedAuthority& authority, const RequestForm& form, http::Response response);
    [[nodiscard]] lifecycle::Started started(const std::optional<publish::PublishedState>& published) const;
    [[nodiscard]] Result<publish::Generation> generation(std::uint64_t number) const;

    Surroundings at_;
    observe::Progress& progress_;
    publish::Publisher& publisher_;
    TokenAccess& token_;
    AuthorityAccess& authority_;
    config::IdentitySettings settings_;
    lifecycle::Policy policy_;
    lifecycle::IdentityState state_;
    std::optional<Error> error_;
    Settled settled_;
};

}  // namespace hwenroll::runtime
