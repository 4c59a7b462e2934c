// The life of one identity under a daemon that may be killed: enrollment, renewal, rollover, a refusal.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {

/// How far a life goes; each stage contains those before it, a refusal apart. `envelope_key` is an enrollment of an EC
/// key with an RSA key beside it, and that key's end.
enum class Stage { enrollment, renewal, rollover, refusal, envelope_key };

/// One world, in which time goes on by itself whenever something is waited for, and in which a killed daemon is started
/// again. Failures are reported to GoogleTest.
class Life {
 public:
    /// `environment` is every daemon's, from the first start to the last.
    /// `lab_options` are added to the lab CA's, of which a PENDING for each request is one unless they decide
    /// otherwise.
    Life(Stage stage, std::vector<std::string> environment, const std::vector<std::string>& lab_options = {});

    /// Two logins without an outcome end the daemon's tries (design, "PIN"): whether an operator is there to resume.
    void expect_operator_at_token(bool expected) { operator_at_token_ = expected; }

    /// What the first daemon is started by, as DaemonWorld says.
    void wrap_first_daemon(std::vector<std::string> wrapper) { wrapper_ = std::move(wrapper); }

    /// Daemons may end by themselves, as by an error at their start, and are started again.
    void let_daemons_end() { may_end_ = true; }

    /// begin() and the steps of the stage. True when it got there.
    bool live();

    void begin() { world_.start_daemon(environment_, wrapper_); }

    /// Steps of a life after begin(), each after those before it; false when one does not end.
    bool enroll();
    bool renew();
    bool roll_over();

    /// Lets time go on until `holds`, at most a minute of ours.
    bool settle(const std::string& what, const std::function<bool()>& holds);

    /// Whether any daemon has printed it.
    [[nodiscard]] bool said(const std::string& text) const;

    /// Ends the daemon and checks that nothing shows that it ever died: certificates issued, keys on the token,
    /// published files and state (invariants 1, 2, 4, 9).
    void expect_end();

    /// How often a daemon was found killed.
    [[nodiscard]] int deaths() const { return deaths_; }

    [[nodiscard]] DaemonWorld& world() { return world_; }
    [[nodiscard]] const DaemonWorld& world() const { return world_; }

 private:
    bool be_refused();
    bool settled_at(const std::string& word, const std::function<bool()>& holds);
    bool revive();
    void resume_token();
    void watch();
    [[nodiscard]] std::vector<std::string> keys_in_state() const;
    [[nodiscard]] std::vector<std::string> keys_on_token() const;

    Stage stage_;
    std::vector<std::string> environment_;
    DaemonWorld world_;
    TimePoint best_end_{};
    std::vector<std::string> said_;  ///< what daemons printed before they died
    int deaths_ = 0;
    bool operator_at_token_ = false;
    bool may_end_ = false;
    std::vector<std::string> wrapper_;
};

}  // namespace hwenroll::test
