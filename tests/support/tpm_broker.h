// tpm2-abrmd between a test's programs and its software TPM.
#pragma once

#include <memory>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/software_tpm.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// The resource manager with a message bus of its own: many clients at a time, each with its own objects and sessions,
/// as behind /dev/tpmrm0. It is the only client of the TPM, which must outlive it.
class TpmBroker {
 public:
    /// What clients open; they need environment() too.
    static constexpr const char* tcti = "tabrmd:bus_type=session";

    /// Starts both; throws std::runtime_error when they do not start.
    explicit TpmBroker(const SoftwareTpm& tpm);
    TpmBroker(const TpmBroker&) = delete;
    TpmBroker& operator=(const TpmBroker&) = delete;
    ~TpmBroker() = default;

    /// `NAME=value`, by which clients find the bus.
    [[nodiscard]] const std::string& environment() const { return address_; }

    /// Ends the resource manager, as by a crash, and starts it again. Returns when it answers.
    void restart();

 private:
    void start_bus();

    const SoftwareTpm& tpm_;
    TemporaryDirectory directory_;
    std::string address_;
    std::unique_ptr<ChildProcess> bus_;
    std::unique_ptr<ChildProcess> broker_;
};

}  // namespace hwenroll::test
