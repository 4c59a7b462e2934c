// Files that a command makes together.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/output_file.h"

namespace hwenroll::cli {

/// All of them or none: when one cannot be written, those before it are removed.
class NewFiles {
 public:
    /// Writes one; never over a file that is there. Error code: usage.
    Status add(const std::filesystem::path& path, std::string_view content, mode_t mode,
               std::optional<FileOwner> owner = {});

    /// Those that are there now, in the order in which they were written.
    [[nodiscard]] const std::vector<std::string>& written() const { return written_; }

 private:
    std::vector<std::string> written_;
};

/// Makes `directory` with what is missing above it. The agent's user must get to its configuration, whatever root's
/// umask is. What cannot be made is found by who writes into it.
void make_configuration_directory(const std::filesystem::path& directory);

}  // namespace hwenroll::cli
