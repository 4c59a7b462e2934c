#include "agent/hook/trusted_file.h"

#include <cerrno>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::hook {
namespace {

tl::unexpected<Error> distrust(const std::filesystem::path& path, std::string why, std::string next) {
    return fail(ErrorCode::config_file, fmt::format("cannot take hooks that run as root from {}", path.string()),
                std::move(why), std::move(next));
}

/// `last`: the file or directory itself, for which being sticky is no excuse.
Status check_component(const std::filesystem::path& path, bool last) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return distrust(path, std::generic_category().message(errno), "check the path");
    }
    if (S_ISLNK(status.st_mode)) {
        return distrust(path, "it is a symbolic link, which is never followed", "put the file itself there");
    }
    if (!S_ISDIR(status.st_mode) && !(last && S_ISREG(status.st_mode))) {
        return distrust(path, last ? "it is no regular file" : "it is no directory", "check the path");
    }
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
        return distrust(path, fmt::format("it belongs to user {}", status.st_uid),
                        fmt::format("check its content, then run 'chown root {}'", path.string()));
    }
    const bool sticky = !last && (status.st_mode & S_ISVTX) != 0;
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
        return distrust(path, "others than its owner may write to it",
                        fmt::format("check its content, then run 'chmod go-w {}'", path.string()));
    }
    return {};
}

}  // namespace

Status check_root_owned(const std::filesystem::path& path) {
    if (!path.is_absolute()) {
        return distrust(path, "its path is not absolute", "give an absolute path");
    }
    std::filesystem::path walked;
    for (const auto& component : path) {
        walked /= component;
        if (component == ".." || component == "." || component.empty()) {
            return distrust(path, "its path has '.', '..' or a slash at its end", "give a plain absolute path");
        }
        if (Status checked = check_component(walked, walked == path); !checked) {
            return checked;
        }
    }
    return {};
}

Status check_root_owned(const config::ConfigurationPaths& paths) {
    if (Status checked = check_root_owned(paths.main); !checked) {
        return checked;
    }
    std::error_code error;
    if (paths.drop_ins.empty() || !std::filesystem::exists(std::filesystem::symlink_status(paths.drop_ins, error))) {
        return {};
    }
    if (Status checked = check_root_owned(paths.drop_ins); !checked) {
        return checked;
    }
    for (std::filesystem::directory_iterator entry(paths.drop_ins, error), end; !error && entry != end;
         entry.increment(error)) {
        if (entry->path().extension() == ".toml") {
            if (Status checked = check_root_owned(entry->path()); !checked) {
                return checked;
            }
        }
    }
    return error ? distrust(paths.drop_ins, error.message(), "check the directory") : Status();
}

}  // namespace hwenroll::hook
