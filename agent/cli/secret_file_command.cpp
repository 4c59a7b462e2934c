#include "agent/cli/secret_file_command.h"

#include <fmt/format.h>

#include "agent/cli/configuration_draft.h"

namespace hwenroll::cli {

std::string secret_file_command(const std::filesystem::path& path, const std::string& user) {
    const std::string install =
        fmt::format("install -m 0600{}{} /dev/stdin {}", user.empty() ? "" : " -o ", user, shell_word(path.string()));
    std::error_code unseen;
    return std::filesystem::exists("/usr/bin/systemd-ask-password", unseen)
               ? "systemd-ask-password 'Secret:' | " + install
               : "stty -echo; head -n 1 | " + install + "; stty echo";
}

}  // namespace hwenroll::cli
