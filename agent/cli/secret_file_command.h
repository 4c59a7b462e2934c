// How a person puts a secret into its file.
#pragma once

#include <filesystem>
#include <string>

namespace hwenroll::cli {

/// A line for a shell that asks for a secret without showing it and makes `path` of it, mode 0600, owned by `user`;
/// empty: by whoever types it. Looks for systemd's question, and uses the terminal's settings where there is none.
std::string secret_file_command(const std::filesystem::path& path, const std::string& user);

}  // namespace hwenroll::cli
