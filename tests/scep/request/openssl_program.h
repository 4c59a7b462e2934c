// The openssl program as an independent judge of what we emit.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// Files in a directory of their own, and runs of `openssl` on them.
class OpenSslProgram {
 public:
    /// Writes `contents` under `name` and returns its path.
    std::string file(const std::string& name, ByteView contents);
    std::string file(const std::string& name, std::string_view contents) { return file(name, as_bytes(contents)); }

    /// A path under which openssl may write.
    [[nodiscard]] std::string path(const std::string& name) const { return (directory_ / name).string(); }

    [[nodiscard]] std::string contents(const std::string& name) const { return read_file(directory_ / name); }

    struct Outcome {
        int exit_code = -1;
        std::string out;
        std::string err;
    };

    /// Runs `openssl ARGUMENTS…`.
    static Outcome run(std::vector<std::string> arguments);

 private:
    TemporaryDirectory directory_;
};

}  // namespace hwenroll::test
