// A swtpm of its own for one test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// A manufactured TPM 2.0 on two loopback ports: room for three objects and three sessions, one client at a time, no
/// resource manager, as a TPM behind /dev/tpm0 is. Its state is in a temporary directory. Silences tpm2-tss's messages
/// on standard error for the whole test program.
class SoftwareTpm {
 public:
    /// Starts it; throws std::runtime_error when it does not start.
    SoftwareTpm();
    SoftwareTpm(const SoftwareTpm&) = delete;
    SoftwareTpm& operator=(const SoftwareTpm&) = delete;
    ~SoftwareTpm() = default;

    /// `swtpm:host=127.0.0.1,port=N`.
    [[nodiscard]] std::string tcti() const;

    /// A directory that lives as long as this object.
    [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }

    /// Ends it, as by a loss of power.
    void stop() { process_.reset(); }

    /// Starts it again with the state that it had, on the same ports.
    void start();

    /// Gives it an empty state, as of another TPM, and starts it.
    void replace();

    /// SIGSTOP or SIGCONT.
    void signal(int number) const { process_->kill(number); }

    /// Runs a program of tpm2-tools (or another one that takes TPM2TOOLS_TCTI) to its end.
    [[nodiscard]] RunResult tool(std::vector<std::string> arguments) const;

    /// The same for one that must succeed: its output; throws std::runtime_error with what it printed otherwise.
    std::string must(std::vector<std::string> arguments) const;

 private:
    bool try_to_start();

    TemporaryDirectory directory_;
    std::uint16_t port_ = 0;
    std::unique_ptr<ChildProcess> process_;
};

}  // namespace hwenroll::test
