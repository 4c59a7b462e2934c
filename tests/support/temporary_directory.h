// A directory for one test, removed with it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace hwenroll::test {

/// Makes a 0755 directory under TMPDIR and removes it with all contents on destruction.
class TemporaryDirectory {
 public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
    std::filesystem::path path_;
};

/// Writes `text` to `path` with permissions `mode`; throws std::runtime_error when it cannot.
void write_file(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);

/// The contents of `path`; throws std::runtime_error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace hwenroll::test
