// Files that a command writes where its user says (SEC-15).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::cli {

/// What becomes of a file that is there already.
enum class Existing : std::uint8_t { replace, keep };

struct FileOwner {
    uid_t user = 0;
    gid_t group = 0;
};

/// What a file is to be besides its content.
struct FileRules {
    Existing existing = Existing::replace;
    std::optional<mode_t> mode = {};      ///< whatever the umask says; nothing: 0644 less the umask
    std::optional<FileOwner> owner = {};  ///< nothing: whoever runs the command
};

/// `file` has `content`, mode and owner afterwards, or is as it was: a temporary file beside it is written, given both,
/// made durable and renamed, so that nobody ever sees it otherwise. A symbolic link or anything else that is no regular
/// file is refused, never followed or replaced; links on the way to the directory are the user's own. Error code:
/// output_file; with Existing::keep also for a file that is there.
Status write_output(const std::filesystem::path& file, std::string_view content, const FileRules& rules);

}  // namespace hwenroll::cli
