// A running hwenrolld beside a lab CA, both on a clock that the test moves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/clock_file.h"

namespace hwenroll::test {

/// A lab CA that ends after 200 days and names its successor 30 days before, with certificates of 120 days.
std::vector<std::string> lives_with_rollover();

/// Days after the world's beginning are its unit of time.
class DaemonWorld : public EnrollmentWorld {
 public:
    /// When a world begins unless it must meet programs that read the machine's clock.
    static constexpr TimePoint usual_beginning{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)};

    /// The lab CA is started with `arguments` on the world's clock; the configuration is the default one.
    explicit DaemonWorld(const std::vector<std::string>& arguments, TimePoint begin = usual_beginning);

    /// `wrapper` is a command that becomes the daemon: its process is the daemon's.
    void start_daemon(const std::vector<std::string>& environment = {}, std::vector<std::string> wrapper = {});

    /// The lab CA ends and comes back with `arguments` in place of those that it had.
    void restart_ca(const std::vector<std::string>& arguments);

    /// SIGTERM, then its end; the exit code, or -1 when it did not end within 10 s (X13).
    int stop_daemon();

    /// Sends a signal to the daemon.
    void signal(int number) const { daemon_->kill(number); }

    [[nodiscard]] ChildProcess& daemon() const { return *daemon_; }

    /// SIGHUP, and back once the daemon has read its files again. A jump of the clock right behind the signal could
    /// otherwise be seen under the configuration of before.
    void reload();

    /// The clock jumps to `days` after the beginning.
    void go_to_day(double days);

    /// The clock jumps to `time`.
    void go_to(TimePoint time) { clock_.set(time); }

    /// The clock goes on by `ahead` within `real`, evenly, and then stands still again. Returns after that.
    void let_pass(Seconds ahead, Seconds real);

    [[nodiscard]] TimePoint day(double days) const;

    /// The clock goes on by `seconds`.
    void advance(Seconds seconds) { clock_.advance(seconds); }

    /// What the clock says.
    [[nodiscard]] TimePoint now() const { return clock_.now(); }

    /// `hwenroll ARGUMENTS` on the world's clock.
    [[nodiscard]] RunResult command(std::vector<std::string> arguments) const;

    /// The published leaf; nothing while none is.
    [[nodiscard]] std::optional<Certificate> leaf() const;

    /// Certificates in the published ca.pem.
    [[nodiscard]] std::size_t anchors() const;

    /// `current`'s target.
    [[nodiscard]] std::string generation() const;

    /// The word that `hwenroll status` shows.
    [[nodiscard]] std::string word() const;

    /// The daemon that runs now answers on its control socket; word() would be answered from state.db without one.
    [[nodiscard]] bool listens() const;

    /// Waits until `holds`, at most 30 s; on failure the daemon's output and status are reported.
    void eventually(const std::string& what, const std::function<bool()>& holds) const;

    /// Requests that wait for a decision under --pending-until-approved.
    [[nodiscard]] std::size_t pending() const { return pending_transactions().size(); }

    /// What the lab CA answers to a GET of `path`, which may hold a query: `/lab/revoke?serial=…`.
    [[nodiscard]] std::string ask_lab(const std::string& path) const;

    /// Grants them all; how many there were.
    [[nodiscard]] std::size_t approve_all() const;

    /// Lines of the lab CA's ledger: one for each certificate that it issued.
    [[nodiscard]] std::vector<std::string> issued() const;

    /// messageType of each PKIOperation that the lab CA saw.
    [[nodiscard]] std::vector<std::string> messages() const;

    /// What the daemon has said so far has `text`.
    [[nodiscard]] bool said(const std::string& text) const { return daemon_->err().find(text) != std::string::npos; }

    [[nodiscard]] std::size_t times_said(const std::string& text) const;

    [[nodiscard]] const std::filesystem::path& clock_path() const { return clock_.path(); }

 private:
    [[nodiscard]] std::vector<std::string> pending_transactions() const;

    TimePoint begin_;
    ClockFile clock_;
    std::unique_ptr<ChildProcess> daemon_;
};

}  // namespace hwenroll::test
