// A daemon that fetches CRLs, beside a lab CA that hands them out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {

/// Lists of a week; certificates name the lab CA as their distribution point.
class CrlWorld {
 public:
    /// `source` is the configuration's `crl`; `lab` is added to the lab CA's options, `ca` and `agent` to the
    /// configuration's sections, `identity` to that of the identity.
    explicit CrlWorld(const std::string& source, const std::vector<std::string>& lab = {}, const std::string& ca = "",
                      const std::string& agent = "", const std::string& identity = "",
                      TimePoint begin = DaemonWorld::usual_beginning);

    /// The daemon begins and has published a certificate with its CRL.
    [[nodiscard]] bool begin();

    /// Configures this `key` in place of an RSA key; before begin().
    void use_key(const std::string& key);

    /// Configures `source` in place of the one that is in force.
    void use(const std::string& source);

    DaemonWorld& world() { return *world_; }

    /// Whether crl.pem is published.
    [[nodiscard]] bool has_list() const;
    /// Its text, empty without one.
    [[nodiscard]] std::string list() const;
    /// What `openssl crl -text` says of it, after it was verified against ca.pem.
    [[nodiscard]] std::string described() const;

    /// Has the lab CA hand out CRLs in this form from now on, or answer GetCert so.
    void hand_out(const std::string& form) const;
    /// Has every list hold so many more entries of 39 octets from now on.
    void lengthen(std::size_t entries) const;
    void answer_get_cert(const std::string& form) const;

    /// Serial number of the published certificate.
    [[nodiscard]] std::string serial() const;

    void revoke(const std::string& reason) const;

    /// Runs SQL on the daemon's database. A trigger that raises makes commits fail as a full disk would.
    void run_sql(const std::string& sql) const;

    /// Writes `to` in place of every `from` in hwenroll.toml and has the daemon read it.
    void rewrite(const std::string& from, const std::string& to) const;

    /// `hwenroll crl fetch corp`.
    [[nodiscard]] RunResult fetch() const { return world_->command({"crl", "fetch", "corp"}); }

    /// How many messages of this messageType the lab CA saw.
    [[nodiscard]] std::size_t messages(const std::string& type) const;

 private:
    void configure(const std::string& source);

    std::string ca_;
    std::string agent_;
    std::string identity_;
    std::string key_ = "rsa:2048";
    std::string source_;
    std::unique_ptr<DaemonWorld> world_;
};

}  // namespace hwenroll::test
