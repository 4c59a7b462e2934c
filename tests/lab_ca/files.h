// The files of the lab CA's directory.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::lab_ca {

/// Replaces `path` as a whole, so that no reader sees half of it. Error code: input_file.
Status write_file(const std::filesystem::path& path, std::string_view text, mode_t mode);

/// Appends `line` by one write(), so that readers never see half a line of a finished one. Error code: input_file.
Status append_line(const std::filesystem::path& path, std::string_view line);

/// Error code: input_file.
Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace hwenroll::lab_ca
