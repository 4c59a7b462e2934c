// All that one enrollment needs: a token, a CA, a configuration, and the programs as a user runs them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/support/child_process.h"
#include "tests/support/softhsm.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {

/// Never to be seen in any output or file but their own.
inline constexpr const char* canary_pin = "canary-pin-73914682";
inline constexpr const char* canary_challenge = "canary-challenge-55128846";

/// What a test changes of the configuration; the rest is what works.
struct ConfigurationChanges {
    std::string agent_extra = "";  ///< lines for [agent]
    std::string module = SoftHsm::module();
    std::string uri = "pkcs11:token=lab";
    std::string pin = "";          ///< default: the file with the right PIN
    std::string token_extra = "";  ///< lines for [token.lab]
    std::string token = "";        ///< all lines of [token.lab], in place of those of the SoftHSM2 token
    std::string url = "";          ///< default: the CA that was started
    std::string fingerprint = "";  ///< default: that of the CA that was started
    std::string challenge = "";    ///< default: the file with the right challenge
    std::string ca_extra = "";     ///< lines for [ca.corp]
    std::string key = "rsa:2048";
    std::string identity_extra =
        "san = [\"dns:web01.example.com\"]\n"
        "extended_key_usage = [\"serverAuth\", \"clientAuth\"]\n";
};

/// A temporary world with a SoftHSM2 token `lab` and at most one CA. Its processes end with it.
class EnrollmentWorld {
 public:
    EnrollmentWorld();

    /// scep-lab-ca on a free port, or again on the one that it had, with what it had. `arguments` are added to its
    /// command line.
    void start_lab_ca(const std::vector<std::string>& arguments = {});

    /// Debian's scepserver on `port`, which binds every interface: enter_private_network() first.
    void start_scepserver(std::uint16_t port);

    /// Writes hwenroll.toml.
    void configure(const ConfigurationChanges& changes = {});

    /// `hwenrolld --once`.
    [[nodiscard]] RunResult once(const ChildOptions& options = {}) const;

    /// `hwenroll ARGUMENTS --config …`.
    [[nodiscard]] RunResult hwenroll(std::vector<std::string> arguments) const;

    /// The lines of the lab CA's lint log, one for each request of any operation.
    [[nodiscard]] std::vector<std::string> requests() const;

    /// Objects on the token as OpenSC's pkcs11-tool lists them, e.g. "Private Key Object".
    [[nodiscard]] int objects(const std::string& kind) const;

    [[nodiscard]] std::filesystem::path live() const { return directory_ / "live" / "web" / "current"; }
    [[nodiscard]] std::filesystem::path config() const { return directory_ / "hwenroll.toml"; }
    [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] std::filesystem::path pin_path() const { return directory_ / "lab.pin"; }
    SoftHsm& hsm() { return hsm_; }
    void stop_ca() { ca_.reset(); }
    [[nodiscard]] pid_t ca_process() const { return ca_->pid(); }

    /// cert.pem verifies against ca.pem, belongs to the only key of the token, and the token can use it: a signature
    /// made through libp11's engine with key.uri verifies under cert.pem. Failures are reported to GoogleTest. The
    /// chain is verified as of `at`, or now.
    void expect_published(std::optional<TimePoint> at = std::nullopt) const;

    /// No file below the world but the secrets' own, and none of `outputs`, holds a canary.
    void expect_no_canary(const std::vector<std::string>& outputs) const;

 private:
    TemporaryDirectory directory_;
    SoftHsm hsm_;
    std::unique_ptr<ChildProcess> ca_;
    std::uint16_t port_ = 0;
    std::string url_;
    std::string fingerprint_;
};

}  // namespace hwenroll::test
