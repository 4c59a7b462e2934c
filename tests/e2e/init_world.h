// A machine without a configuration, for `hwenroll init`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {

/// The first SHA-256 fingerprint, as `SHA256:6F:…`, in a text; empty: it has none.
std::string fingerprint_in(const std::string& text);

/// Permissions of a file; 0: it is not there.
unsigned mode_of(const std::filesystem::path& path);

/// A CA and a SoftHSM2 token, and no configuration.
class InitWorld : public testing::Test {
 protected:
    void SetUp() override { world_.start_lab_ca(); }

    /// `hwenroll init` of identity `web` into file(), and `arguments`.
    [[nodiscard]] std::vector<std::string> line(const std::vector<std::string>& arguments) const;
    /// Runs it off a terminal.
    [[nodiscard]] RunResult init(const std::vector<std::string>& arguments, const std::string& input = "") const;
    /// All that is needed to get through, off a terminal.
    [[nodiscard]] std::vector<std::string> all(const std::vector<std::string>& more = {}) const;
    /// The fingerprint of the CA as `hwenroll ca show` prints it.
    [[nodiscard]] std::string pin() const;
    /// Lines of standard input: the PIN and the challenge.
    [[nodiscard]] static std::string secrets();
    [[nodiscard]] std::filesystem::path file() const { return world_.directory() / "new" / "hwenroll.toml"; }
    /// `hwenroll ARGUMENTS --config` file().
    [[nodiscard]] RunResult hwenroll(std::vector<std::string> arguments) const;
    /// `hwenrolld --once --config` file().
    [[nodiscard]] RunResult once() const;
    void expect_nothing_written() const;

    EnrollmentWorld world_;
};

}  // namespace hwenroll::test
