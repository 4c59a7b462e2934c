#include "agent/cli/new_files.h"

#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/cli/configuration_draft.h"

namespace hwenroll::cli {

namespace fs = std::filesystem;

Status NewFiles::add(const fs::path& path, std::string_view content, mode_t mode, std::optional<FileOwner> owner) {
    Status written = write_output(path, content, {Existing::keep, mode, owner});
    if (written) {
        written_.push_back(path.string());
        return written;
    }
    for (const std::string& before : std::exchange(written_, {})) {
        std::error_code failure;
        (fs::remove(before, failure) ? removed_ : written_).push_back(before);
    }
    return written;
}

std::string what_is_left(const fs::path& failed, const fs::path& target, const std::vector<std::string>& removed) {
    std::string text = removed.empty()
                           ? "nothing was written"
                           : fmt::format("{} was written before and is removed again", fmt::join(removed, " and "));
    if (failed != target) {
        text += fmt::format(", {} was not written either", target.string());
    }
    return text;
}

std::string before_writing(const fs::path& file, const std::string& command) {
    fs::path there = file.parent_path();
    std::error_code failure;
    while (!there.empty() && there != there.parent_path() && !fs::exists(there, failure)) {
        there = there.parent_path();
    }
    const bool may = ::access(there.c_str(), W_OK | X_OK) == 0;
    if (!may && ::geteuid() != 0) {
        return "sudo " + command;
    }
    if (may && fs::is_directory(there, failure) && there != file.parent_path()) {
        return fmt::format("mkdir -p {} && {}", shell_word(file.parent_path().string()), command);
    }
    // A full disk, a read-only file system, something else in the directory's place.
    return fmt::format("ls -ld {0}; df -h {0}; findmnt --target {0}", shell_word(there.string()));
}

void make_configuration_directory(const fs::path& directory) {
    constexpr auto permissions = static_cast<fs::perms>(0755);
    std::error_code failure;
    std::vector<fs::path> missing;
    for (fs::path one = directory; !one.empty() && !fs::exists(one, failure); one = one.parent_path()) {
        missing.push_back(one);
    }
    for (auto one = missing.rbegin(); one != missing.rend(); ++one) {
        if (fs::create_directory(*one, failure)) {
            fs::permissions(*one, permissions, failure);
        }
    }
}

}  // namespace hwenroll::cli
