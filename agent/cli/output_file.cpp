#include "agent/cli/output_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/file_descriptor.h"

namespace hwenroll::cli {
namespace {

constexpr mode_t usual_mode = 0644;

tl::unexpected<Error> not_written(const std::filesystem::path& file, std::string why, std::string next) {
    return fail(ErrorCode::output_file, "cannot write '" + file.string() + "'", std::move(why), std::move(next));
}

tl::unexpected<Error> not_written(const std::filesystem::path& file, int number) {
    return not_written(file, std::generic_category().message(number),
                       number == ENOENT ? "make the directory first, or name another file"
                                        : "name a file in a directory that this user can write to, on a disk with "
                                          "room");
}

tl::unexpected<Error> is_there(const std::filesystem::path& file) {
    return fail(ErrorCode::output_file, "'" + file.string() + "' is there already", "it is never replaced",
                "name another one");
}

/// Whether a file may be made or replaced under that name.
Status check_place(const std::filesystem::path& file, int directory, const std::string& name, Existing existing) {
    struct stat status {};
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? Status() : not_written(file, errno);
    }
    if (existing == Existing::keep) {
        return is_there(file);
    }
    if (S_ISLNK(status.st_mode)) {
        return not_written(file, "it is a symbolic link, which is never followed", "name the file itself");
    }
    if (!S_ISREG(status.st_mode)) {
        return not_written(file, "it is no regular file", "name a file");
    }
    return {};
}

/// All of `content`, durably. 0 or errno.
int write_all(int file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = write(file, content.data(), content.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written == 0 ? ENOSPC : errno;
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return fsync(file) == 0 ? 0 : errno;
}

/// 0 or errno. On the descriptor, and before there is a name that anybody could open.
int apply(int file, const FileRules& rules) {
    if (rules.owner && fchown(file, rules.owner->user, rules.owner->group) != 0) {
        return errno;
    }
    return rules.mode && fchmod(file, *rules.mode) != 0 ? errno : 0;
}

/// 0 or errno.
int move_into_place(int directory, const std::string& temporary, const std::string& name, Existing existing) {
    if (existing == Existing::replace) {
        return renameat(directory, temporary.c_str(), directory, name.c_str()) == 0 ? 0 : errno;
    }
    if (renameat2(directory, temporary.c_str(), directory, name.c_str(), RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return errno;
    }
    // A file system without RENAME_NOREPLACE.
    if (linkat(directory, temporary.c_str(), directory, name.c_str(), 0) != 0) {
        return errno;
    }
    return unlinkat(directory, temporary.c_str(), 0) == 0 ? 0 : errno;
}

}  // namespace

Status write_output(const std::filesystem::path& file, std::string_view content, const FileRules& rules) {
    const std::string name = file.filename().string();
    const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
    const FileDescriptor directory(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (name.empty() || name == "." || name == ".." || !directory.valid()) {
        return not_written(file, directory.valid() ? EISDIR : errno);
    }
    if (Status free = check_place(file, directory.get(), name, rules.existing); !free) {
        return free;
    }
    const std::string temporary = fmt::format(".{}.{}.new", name.substr(0, 200), getpid());
    FileDescriptor made(openat(directory.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                               rules.mode ? *rules.mode & 0600U : usual_mode));
    if (!made.valid()) {
        return not_written(file, errno);
    }
    int number = apply(made.get(), rules);
    number = number == 0 ? write_all(made.get(), content) : number;
    made.reset();
    number = number == 0 ? move_into_place(directory.get(), temporary, name, rules.existing) : number;
    if (number != 0) {
        static_cast<void>(unlinkat(directory.get(), temporary.c_str(), 0));
        return rules.existing == Existing::keep && number == EEXIST ? Status(is_there(file))
                                                                    : not_written(file, number);
    }
    return fsync(directory.get()) == 0 ? Status() : not_written(file, errno);
}

}  // namespace hwenroll::cli
