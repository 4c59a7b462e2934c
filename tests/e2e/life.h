// The life of one identity under a daemon that may be killed: enrollment, renewal, rollover, a refusal.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {

/// How far a life goes; each stage contains those before it, a refusal apart.
enum class Stage { enrollment, renewal, rollover, refusal };

/// One world, in which time goes on by itself whenever something is waited for, and in which a killed daemon is started
/// again. Failures are reported to GoogleTest.
class Life {
 public:
    /// `environment` is every daemon's, from the first start to the last.
    Life(Stage stage, std::vector<std::string> environment);

    /// Starts the daemon and takes it through the stage. True when it got there.
    bool live();

    /// Ends the daemon and checks that nothing shows that it ever died: certificates issued, keys on the token,
    /// published files and state (invariants 1, 2, 4, 9).
    void expect_end();

    /// How often a daemon was found killed.
    [[nodiscard]] int deaths() const { return deaths_; }

    [[nodiscard]] DaemonWorld& world() { return world_; }

 private:
    bool enroll();
    bool renew();
    bool roll_over();
    bool be_refused();
    bool settle(const std::string& what, const std::function<bool()>& holds);
    bool settled_at(const std::string& word, const std::function<bool()>& holds);
    void revive();
    void watch();
    [[nodiscard]] std::vector<std::string> keys_in_state() const;
    [[nodiscard]] std::vector<std::string> keys_on_token() const;

    Stage stage_;
    std::vector<std::string> environment_;
    DaemonWorld world_;
    TimePoint best_end_{};
    std::vector<std::string> said_;  ///< what daemons printed before they died
    int deaths_ = 0;
};

}  // namespace hwenroll::test
