// The same enrollments by two clients: hwenrolld with keys on a token, and Debian's scepclient with keys in files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/tampering_proxy.h"
#include "tests/support/child_process.h"
#include "tests/support/softhsm.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::bench {

/// What a number of processes have used.
struct Cost {
    double wall = 0;  ///< seconds
    double cpu = 0;   ///< seconds, user and system, of the processes and of all that they have waited for
};

/// Debian's scepserver with a fresh CA, behind a proxy that takes one request at a time: of two at once this server
/// (version 2.1.0) was seen to refuse one now and then. It binds every interface, so the caller has entered a private
/// network.
class Scepserver {
 public:
    Scepserver();

    /// From now on `act` is called, on the proxy's thread, when the answer to a PKIOperation is there and before the
    /// client gets it. Only while no client is running.
    void before_answer(std::function<void()> act) { before_answer_ = std::move(act); }

    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

 private:
    test::TemporaryDirectory directory_;
    std::unique_ptr<test::ChildProcess> server_;
    std::function<void()> before_answer_;
    std::unique_ptr<test::TamperingProxy> proxy_;
    std::string url_;
    std::string fingerprint_;
};

/// hwenrolld and its token, SoftHSM2, with RSA-2048 keys that are there before anything is measured.
class Agent {
 public:
    explicit Agent(int keys);

    /// From now on every run is started by this command.
    void run_under(std::vector<std::string> command) { command_ = std::move(command); }

    /// One run with one identity for each of `keys` keys.
    Cost enroll_together(const Scepserver& server, int keys);

    /// One run after the other, one identity each, each with a state of its own.
    Cost enroll_one_by_one(const Scepserver& server, int keys);

    /// Starts a run for `keys` identities and does not wait.
    std::unique_ptr<test::ChildProcess> start(const std::string& url, const std::string& fingerprint, int keys);

 private:
    struct Setup {
        std::string config;
        std::vector<std::string> certificates;  ///< there when the run has done its work
    };
    [[nodiscard]] std::vector<std::string> command_line(const Setup& setup) const;
    Setup set_up(const std::string& url, const std::string& fingerprint, int first, int count);

    test::TemporaryDirectory directory_;
    test::SoftHsm hsm_;
    std::string pin_;
    std::vector<std::string> command_;
    std::vector<std::string> ids_;  ///< CKA_ID as in a PKCS#11 URI
    int setups_ = 0;
};

/// scepclient, one process for each enrollment; it knows no other way.
class Scepclient {
 public:
    explicit Scepclient(int keys);
    Cost enroll_one_by_one(const Scepserver& server, int keys);

 private:
    test::TemporaryDirectory directory_;
    std::vector<std::string> keys_;  ///< PEM
    int setups_ = 0;
};

}  // namespace hwenroll::bench
