// A file that others see whole or not at all.
#pragma once

#include <filesystem>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::cli {

enum class Existing : std::uint8_t {
    replace,  ///< what is at the path gives way
    keep,     ///< what is at the path stays, and the error says so
};

/// Writes `content` beside `path` under a hidden name, with `mode` whatever the umask says, flushes it and gives it its
/// name. A failure leaves the path as it was and nothing beside it. Error code: input_file.
Status write_atomically(const std::filesystem::path& path, std::string_view content, mode_t mode, Existing existing);

}  // namespace hwenroll::cli
