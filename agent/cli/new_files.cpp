#include "agent/cli/new_files.h"

namespace hwenroll::cli {

namespace fs = std::filesystem;

Status NewFiles::add(const fs::path& path, std::string_view content, mode_t mode, std::optional<FileOwner> owner) {
    Status written = write_output(path, content, {Existing::keep, mode, owner});
    if (written) {
        written_.push_back(path.string());
        return written;
    }
    std::error_code ignored;
    for (const std::string& before : written_) {
        fs::remove(before, ignored);
    }
    written_.clear();
    return written;
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
