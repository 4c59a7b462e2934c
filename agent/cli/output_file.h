// Files that a command writes where its user says (SEC-15).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace hwenroll::cli {

/// What becomes of a file that is there already.
enum class Existing : std::uint8_t { replace, keep };

/// `file` has `content` afterwards, or is as it was: a temporary file beside it is written, made durable and renamed.
/// A symbolic link or anything else that is no regular file is refused, never followed or replaced; links on the way
/// to the directory are the user's own. Mode 0644 but for the umask. Error code: usage; with Existing::keep also for a
/// file that is there.
Status write_output(const std::filesystem::path& file, std::string_view content, Existing existing);

}  // namespace hwenroll::cli
