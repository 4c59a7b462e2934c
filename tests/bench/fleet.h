// One agent with very many valid identities: what a site with one HSM for everything has.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/softhsm.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::bench {

/// A token, a lab CA and an agent's state, published files and configuration. The first identity was enrolled by the
/// agent; the others are that one under their own names, kept and published by the agent's own store and publisher: all
/// share one key on the token and one certificate. Its processes end with it.
class Fleet {
 public:
    explicit Fleet(int identities);

    /// hwenrolld as a service; `environment` is added to its own.
    [[nodiscard]] std::unique_ptr<test::ChildProcess> start(std::vector<std::string> environment) const;

    [[nodiscard]] std::string config() const { return (directory_ / "hwenroll.toml").string(); }
    [[nodiscard]] std::filesystem::path runtime_dir() const { return directory_ / "run"; }
    [[nodiscard]] const test::TemporaryDirectory& directory() const { return directory_; }

    static std::string name(int number);

 private:
    void make_key();
    void start_authority();
    void configure(int identities);
    void enroll_first();
    void copy_first(int identities);

    test::TemporaryDirectory directory_;
    test::SoftHsm hsm_;
    std::string pin_;
    std::unique_ptr<test::ChildProcess> authority_;
    std::string url_;
    std::string fingerprint_;
};

}  // namespace hwenroll::bench
