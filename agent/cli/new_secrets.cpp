#include "agent/cli/new_secrets.h"

#include <pwd.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/cli/secret_file_command.h"
#include "agent/cli/terminal.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* agent_user = "hwenroll";

}  // namespace

Result<std::string> NewSecrets::source(const std::string& what, const std::optional<std::string>& option,
                                       const fs::path& usual, bool optional) {
    if (option && *option != "-") {
        auto path = config::parse_path(*option);
        if (!path) {
            return fail(ErrorCode::usage, "'" + *option + "' " + std::string(path.error().what()));
        }
        note_missing(*path);
        return "file:" + path->string();
    }
    std::error_code failure;
    const bool there = fs::exists(usual, failure);
    if (!option && there) {
        return "file:" + usual.string();
    }
    if (option && there) {
        return fail(ErrorCode::usage, usual.string() + " is there already", {},
                    "it is left as it is; leave the option out to use it, or move it away");
    }
    auto secret = option             ? read_secret_line(what)
                  : dialogue_.asks() ? ask_secret(fmt::format("{} (it is not shown; nothing: {}):", what,
                                                              optional ? "there is none" : "put it into a file later"))
                                     : Result<Secret>(Secret());
    if (!secret) {
        return fail(secret.error());
    }
    if (!secret->empty()) {
        files_.push_back({usual, *std::move(secret)});
        return "file:" + usual.string();
    }
    if (optional) {
        return std::string();
    }
    note_missing(usual);
    return "file:" + usual.string();
}

void NewSecrets::note_missing(const fs::path& path) {
    std::error_code failure;
    if (!fs::exists(path, failure)) {
        missing_.push_back(fmt::format("{} is not there yet; this asks for it:\n  {}", path.string(),
                                       secret_file_command(path, owner() ? agent_user : "")));
    }
}

std::optional<FileOwner> NewSecrets::owner() const {
    const bool of_the_system =
        !dialogue_.is_single_file() && !dialogue_.options.directory && !dialogue_.options.state_dir;
    const passwd* const user = of_the_system && ::geteuid() == 0 ? ::getpwnam(agent_user) : nullptr;
    return user == nullptr ? std::nullopt : std::optional(FileOwner{user->pw_uid, user->pw_gid});
}

}  // namespace hwenroll::cli
