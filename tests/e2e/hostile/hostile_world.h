// One agent with its token and one lab CA whose replies are spoilt. Stages of a life are lived once in this process and
// copied for each test, so that a test costs two runs of the agent.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/lifecycle/authority_state.h"
#include "agent/lifecycle/identity_state.h"
#include "tests/lab_ca/test_server.h"
#include "tests/support/child_process.h"
#include "tests/support/clock_file.h"
#include "tests/support/softhsm.h"

namespace hwenroll::test {

/// What the agent has behind it when a hostile reply comes.
enum class Stage {
    beginning,  ///< nothing: the CA is asked for its capabilities and certificates first
    keyed,      ///< the CA is trusted and the key made; the request comes next
    pending,    ///< the CA has answered PENDING; it decides an hour later
    enrolled,   ///< a certificate of 120 days
    capped,     ///< a certificate that ends with the CA, of which there will be a successor
};

/// What may not change by a hostile reply.
struct Belongings {
    lifecycle::IdentityState identity;
    lifecycle::AuthorityState authority;
    std::map<std::string, std::string> published;  ///< contents of files and targets of links, by path
    std::size_t token_files = 0;                   ///< of keys: SoftHSM keeps each half of a pair in one
};

/// How one test has it.
struct HostileSettings {
    std::vector<std::string> faults = {};  ///< rules of the lab CA
    std::string capabilities = "AES,POSTPKIOperation,Renewal,SCEPStandard,SHA-256";
    std::string agent_lines = "";     ///< sections of the configuration
    std::string ca_lines = "";        ///< of [ca.corp]
    std::string identity_lines = "";  ///< of [identity.web]
    std::string pinned = "";          ///< common name in the CA's set that is configured; empty: its own
};

/// Made once in a process; one test at a time.
class HostileWorld {
 public:
    /// The world of this process.
    static HostileWorld& instance();
    HostileWorld(const HostileWorld&) = delete;
    HostileWorld& operator=(const HostileWorld&) = delete;
    ~HostileWorld();

    /// Goes back to the end of that stage.
    void go_to(Stage stage);

    /// The lab CA and the configuration from now on. The CA keeps what it has issued and promised.
    void set(const HostileSettings& settings);

    /// The clock of both goes on.
    void advance(Seconds by);

    /// `hwenrolld --once`.
    [[nodiscard]] RunResult once() const;

    [[nodiscard]] Belongings look() const;

    /// The published leaf, and the certificates in the published ca.pem.
    [[nodiscard]] Certificate leaf() const;
    [[nodiscard]] std::vector<Certificate> anchors() const;

    /// The CA that issues now, and its successor's certificate once there is one.
    [[nodiscard]] const Certificate& ca() const;

    /// What the lab CA has issued, oldest first: transactionID and serial number.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> issued() const;

    /// PKIOperations that the lab CA has seen.
    [[nodiscard]] std::size_t messages() const;

    /// When each POST since set() reached the lab CA.
    [[nodiscard]] std::vector<std::chrono::steady_clock::time_point> posts() const;

    /// The most that any program that was started has had in memory so far, in KiB. As much as this process had when it
    /// started one is counted as that program's (getrusage(2)), so it is a bound from above.
    static long peak_memory();

    [[nodiscard]] TimePoint now() const;
    [[nodiscard]] std::filesystem::path directory() const { return directory_ / "world"; }
    [[nodiscard]] std::filesystem::path config() const { return directory() / "hwenroll.toml"; }
    [[nodiscard]] std::string url() const;

 private:
    class Relay;
    class SharedClock;

    HostileWorld();
    void live(Stage stage);
    void keep(Stage stage) const;
    void restore(const std::string& name);
    void configure(const HostileSettings& settings) const;
    [[nodiscard]] std::string fingerprint_of(const std::string& common_name) const;

    TemporaryDirectory directory_;
    SoftHsm hsm_;
    std::unique_ptr<SharedClock> clock_;
    std::unique_ptr<Relay> relay_;
    std::unique_ptr<lab_ca::test::ServerThread> server_;
    Stage stage_ = Stage::beginning;
};

}  // namespace hwenroll::test
