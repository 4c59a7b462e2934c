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
    /// Writes one; never over a file that is there. Error code: output_file.
    Status add(const std::filesystem::path& path, std::string_view content, mode_t mode,
               std::optional<FileOwner> owner = {});

    /// Those that are there now, in the order in which they were written.
    [[nodiscard]] const std::vector<std::string>& written() const { return written_; }

    /// Those that were written before another could not be, and are not there any more.
    [[nodiscard]] const std::vector<std::string>& removed() const { return removed_; }

 private:
    std::vector<std::string> written_;
    std::vector<std::string> removed_;
};

/// After `failed` could not be written: what was written, what was not, and what is there. `target`: the last of them.
std::string what_is_left(const std::filesystem::path& failed, const std::filesystem::path& target,
                         const std::vector<std::string>& removed);

/// What has to be typed before a file of that name can be written: `command` as root, what makes its directory, or what
/// shows why it cannot be.
std::string before_writing(const std::filesystem::path& file, const std::string& command);

/// Makes `directory` with what is missing above it. The agent's user must get to its configuration, whatever root's
/// umask is. What cannot be made is found by who writes into it.
void make_configuration_directory(const std::filesystem::path& directory);

}  // namespace hwenroll::cli
