// A resource manager for a software TPM: several clients at a time and as many objects as they like.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {

/// tpm2-abrmd on a message bus of the test's own, in front of `tpm`, which outlives it and has no other client
/// meanwhile.
class TpmBroker {
 public:
    /// What this machine lacks to run one, with the package's name; nothing when all is there.
    static std::optional<std::string> missing();

    /// Returns when it answers; throws std::runtime_error when it does not start.
    explicit TpmBroker(const SoftwareTpm& tpm);
    TpmBroker(const TpmBroker&) = delete;
    TpmBroker& operator=(const TpmBroker&) = delete;
    ~TpmBroker() = default;

    /// How the library finds the broker on the bus that environment() names.
    static std::string tcti() { return "tabrmd:bus_type=session"; }

    /// `NAME=value`, what its clients need.
    [[nodiscard]] const std::string& environment() const { return address_; }

    /// Ends the broker, whatever it has loaded; the bus stays.
    void stop() { broker_.reset(); }

    /// Starts it, after an end of the one before; returns when it answers.
    void start();

 private:
    const SoftwareTpm& tpm_;
    std::string address_;
    std::unique_ptr<ChildProcess> bus_;
    std::unique_ptr<ChildProcess> broker_;
};

}  // namespace hwenroll::test
