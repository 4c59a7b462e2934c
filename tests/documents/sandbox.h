// Commands of documents, run where their programs are those of this build and find the configuration of a test.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// A directory in front of PATH in which `hwenroll` and `hwenrolld` are called with `--config` where the command has
/// none of its own, so that a document need not say it; the other programs of this build follow.
class Sandbox {
 public:
    /// `environment` is added to each command's.
    explicit Sandbox(const std::filesystem::path& config, std::vector<std::string> environment = {});

    /// `script` under `sh -eu`.
    [[nodiscard]] RunResult run(const std::string& script) const;

    /// How to start something there, in `directory` or the sandbox's own.
    [[nodiscard]] ChildOptions options(const std::filesystem::path& directory = {}) const;

 private:
    TemporaryDirectory directory_;
    std::vector<std::string> environment_;
};

}  // namespace hwenroll::test
