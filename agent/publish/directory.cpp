#include "agent/publish/directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <memory>
#include <span>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::publish {
namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20U;

std::string errno_text(int number) {
    return std::generic_category().message(number);
}

/// Opens one component below `parent` without following a link. openat2 (Linux 5.6) also keeps the kernel from leaving
/// `parent` by any other road; O_NOFOLLOW alone does that for a single component where openat2 is not to be had.
int open_beneath(int parent, const std::string& name, int flags, mode_t mode = 0) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
    how.mode = mode;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long fd = syscall(SYS_openat2, parent, name.c_str(), &how, sizeof how);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
        return static_cast<int>(fd);
    }
    return openat(parent, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

/// Why `name` could not be opened: O_NOFOLLOW turns a link into ELOOP or ENOTDIR, which says little.
std::string open_fault(int parent, const char* name, int number) {
    struct stat status {};
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode)) {
        return "it is a symbolic link, which is never followed";
    }
    return errno_text(number);
}

/// All of `content`, whatever the sizes of single writes (S5). False with errno.
bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// read(2) that no signal interrupts.
ssize_t read_some(int fd, std::span<char> buffer) {
    for (;;) {
        const ssize_t size = read(fd, buffer.data(), buffer.size());
        if (size >= 0 || errno != EINTR) {
            return size;
        }
    }
}

/// Makes `path` with mode 0711 whatever the umask, and its entry durable.
Status make_durable_directory(const std::filesystem::path& path) {
    const auto failure = [&](int number) {
        return fail(ErrorCode::publish_write, fmt::format("cannot make directory {}", path.string()),
                    errno_text(number));
    };
    if (mkdir(path.c_str(), 0711) != 0) {
        return failure(errno);
    }
    const FileDescriptor made(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    const FileDescriptor parent(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (made.get() < 0 || parent.get() < 0 || fchmod(made.get(), 0711) != 0 || fsync(parent.get()) != 0) {
        return failure(errno);
    }
    return {};
}

/// Owner first: a change of owner clears mode bits.
bool apply_ownership(int fd, const FileOwnership& ownership) {
    if (ownership.group && fchown(fd, static_cast<uid_t>(-1), *ownership.group) != 0) {
        return false;
    }
    return fchmod(fd, ownership.mode) == 0;
}

}  // namespace

Pieces in_one_piece(std::string_view content) {
    return [content](const std::function<bool(std::string_view)>& take) { take(content); };
}

tl::unexpected<Error> Directory::failure(std::string_view operation, std::string_view name, int number) const {
    const std::filesystem::path path = name.empty() ? path_ : path_ / name;
    return fail(ErrorCode::publish_write, fmt::format("cannot {} {}", operation, path.string()), errno_text(number));
}

tl::unexpected<Error> Directory::unread(std::string_view operation, std::string_view name, int number,
                                        std::string why) const {
    // X16: for want of descriptors or memory nothing is known of what is there.
    const bool shortage = number == EMFILE || number == ENFILE || number == ENOMEM;
    return fail(shortage ? ErrorCode::publish_unseen : ErrorCode::publish_write,
                fmt::format("cannot {} {}", operation, (path_ / name).string()), std::move(why));
}

Result<Directory> Directory::checked(int fd, std::filesystem::path path) {
    Directory directory(fd, std::move(path));
    struct stat status {};
    if (fstat(fd, &status) != 0) {
        return directory.failure("look at", {}, errno);
    }
    const auto refuse = [&](std::string why) {
        return fail(ErrorCode::publish_write, fmt::format("cannot publish in {}", directory.path_.string()),
                    std::move(why), "correct its owner and mode; nothing was changed");
    };
    if (status.st_uid != 0 && status.st_uid != geteuid()) {
        return refuse(fmt::format("it belongs to user {}", status.st_uid));
    }
    if ((status.st_mode & S_IWOTH) != 0) {
        return refuse("everybody may write to it");
    }
    return directory;
}

Result<Directory> Directory::open(const std::filesystem::path& path, Absent absent) {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    int fd = ::open(path.c_str(), flags);
    if (fd < 0 && errno == ENOENT && absent == Absent::create) {
        if (Status made = make_durable_directory(path); !made) {
            return fail(made.error());
        }
        fd = ::open(path.c_str(), flags);
    }
    if (fd < 0) {
        std::string why = open_fault(AT_FDCWD, path.c_str(), errno);
        return fail(ErrorCode::publish_write, fmt::format("cannot open directory {}", path.string()), std::move(why));
    }
    return checked(fd, path);
}

Result<Directory> Directory::open_child(std::string_view name, Absent absent) const {
    const std::string child(name);
    constexpr int flags = O_RDONLY | O_DIRECTORY;
    int fd = open_beneath(fd_.get(), child, flags);
    if (fd < 0 && errno == ENOENT && absent == Absent::create) {
        auto created = create_child(name);
        if (!created) {
            return fail(created.error());
        }
        if (Status synced = sync(); !synced) {
            return fail(synced.error());
        }
        return created;
    }
    if (fd < 0) {
        const int number = errno;
        return unread("open directory", name, number, open_fault(fd_.get(), child.c_str(), number));
    }
    return checked(fd, path_ / child);
}

Result<Directory> Directory::create_child(std::string_view name) const {
    const std::string child(name);
    if (mkdirat(fd_.get(), child.c_str(), 0700) != 0) {
        return failure("make directory", name, errno);
    }
    const int fd = open_beneath(fd_.get(), child, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return failure("open directory", name, errno);
    }
    return checked(fd, path_ / child);
}

Result<Directory::Kind> Directory::kind_of(std::string_view name) const {
    struct stat status {};
    if (fstatat(fd_.get(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return S_ISDIR(status.st_mode) ? Kind::directory : Kind::other;
    }
    if (errno != ENOENT) {
        return failure("look at", name, errno);
    }
    return Kind::none;
}

Status Directory::write_file(std::string_view name, const Pieces& content, const FileOwnership& ownership) const {
    const FileDescriptor file(open_beneath(fd_.get(), std::string(name), O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (file.get() < 0) {
        return failure("make", name, errno);
    }
    int number = 0;
    content([&](std::string_view piece) {
        number = write_all(file.get(), piece) ? 0 : errno;
        return number == 0;
    });
    if (number != 0) {
        return failure("write", name, number);
    }
    if (!apply_ownership(file.get(), ownership)) {
        return failure("set the permissions of", name, errno);
    }
    if (fsync(file.get()) != 0) {
        return failure("sync", name, errno);
    }
    return {};
}

Result<FileDescriptor> Directory::open_file(std::string_view name) const {
    FileDescriptor file(open_beneath(fd_.get(), std::string(name), O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (file.get() < 0 || fstat(file.get(), &status) != 0) {
        const int number = errno;
        return unread("read", name, number, errno_text(number));
    }
    return S_ISREG(status.st_mode) ? Result<FileDescriptor>(std::move(file)) : failure("read", name, EINVAL);
}

Result<std::string> Directory::read_file(std::string_view name) const {
    const auto file = open_file(name);
    if (!file) {
        return fail(file.error());
    }
    std::string content;
    std::array<char, 16'384> buffer{};
    while (content.size() <= largest_file) {
        const ssize_t size = read_some(file->get(), buffer);
        if (size < 0) {
            return failure("read", name, errno);
        }
        if (size == 0) {
            return content;
        }
        content.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return failure("read", name, EFBIG);
}

Result<bool> Directory::holds(std::string_view name, const Pieces& content) const {
    const auto file = open_file(name);
    if (!file) {
        return fail(file.error());
    }
    std::array<char, 16'384> buffer{};
    std::string_view read;  // what of the buffer is not compared yet
    int number = 0;
    bool same = true;
    const auto refill = [&] {
        const ssize_t size = read_some(file->get(), buffer);
        number = size < 0 ? errno : 0;
        read = {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
        return size > 0;
    };
    content([&](std::string_view piece) {
        while (same && !piece.empty()) {
            same = !read.empty() || refill();
            const std::size_t common = std::min(piece.size(), read.size());
            same = same && piece.substr(0, common) == read.substr(0, common);
            piece.remove_prefix(common);
            read.remove_prefix(common);
        }
        return same;
    });
    same = same && read.empty() && !refill();
    return number == 0 ? Result<bool>(same) : failure("read", name, number);
}

Status Directory::set_ownership(std::string_view name, const FileOwnership& ownership) const {
    const FileDescriptor file(open_beneath(fd_.get(), std::string(name), O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (file.get() < 0 || fstat(file.get(), &status) != 0) {
        return failure("look at", name, errno);
    }
    const bool same_group = !ownership.group || status.st_gid == *ownership.group;
    if (S_ISREG(status.st_mode) && same_group && (status.st_mode & 07777U) == ownership.mode) {
        return {};
    }
    if (!apply_ownership(file.get(), ownership)) {
        return failure("set the permissions of", name, errno);
    }
    return {};
}

Status Directory::set_mode(mode_t mode) const {
    if (fchmod(fd_.get(), mode) != 0) {
        return failure("set the permissions of", {}, errno);
    }
    return {};
}

Status Directory::sync() const {
    if (fsync(fd_.get()) != 0) {
        return failure("sync directory", {}, errno);
    }
    return {};
}

Status Directory::rename_to_new(std::string_view from, std::string_view to) const {
    const std::string source(from);
    const std::string target(to);
    if (renameat2(fd_.get(), source.c_str(), fd_.get(), target.c_str(), RENAME_NOREPLACE) == 0) {
        return {};
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return failure("rename a new generation to", to, errno);
    }
    // A file system without RENAME_NOREPLACE. The agent's lock keeps a second writer out, so this cannot race.
    const auto taken = kind_of(to);
    if (!taken) {
        return fail(taken.error());
    }
    if (*taken != Kind::none) {
        return failure("rename a new generation to", to, EEXIST);
    }
    return rename_over(from, to);
}

Status Directory::rename_over(std::string_view from, std::string_view to) const {
    if (renameat(fd_.get(), std::string(from).c_str(), fd_.get(), std::string(to).c_str()) != 0) {
        return failure("replace", to, errno);
    }
    return {};
}

Status Directory::create_link(std::string_view name, std::string_view target) const {
    if (symlinkat(std::string(target).c_str(), fd_.get(), std::string(name).c_str()) != 0) {
        return failure("make the link", name, errno);
    }
    return {};
}

Result<std::optional<std::string>> Directory::read_link(std::string_view name) const {
    std::array<char, 256> target{};
    const ssize_t size = readlinkat(fd_.get(), std::string(name).c_str(), target.data(), target.size());
    if (size >= 0) {
        return std::optional(std::string(target.data(), static_cast<std::size_t>(size)));
    }
    if (errno == ENOENT) {
        return std::optional<std::string>();
    }
    if (errno == EINVAL) {
        return fail(ErrorCode::publish_write, fmt::format("{} is no symbolic link", (path_ / name).string()), {},
                    "move it away: hwenroll replaces only its own link");
    }
    return failure("read the link", name, errno);
}

Result<std::vector<std::string>> Directory::names() const {
    FileDescriptor fd(openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fd.get() < 0 ? nullptr : fdopendir(fd.get()), closedir);
    if (!stream) {
        return failure("list directory", {}, errno);
    }
    static_cast<void>(fd.release());  // closedir(3) closes it
    std::vector<std::string> names;
    while (true) {
        errno = 0;
        const dirent* const entry = readdir(stream.get());
        if (entry == nullptr) {
            break;
        }
        const std::string_view name(entry->d_name);
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        return failure("list directory", {}, errno);
    }
    std::ranges::sort(names);
    return names;
}

Status Directory::remove(std::string_view name) const {
    const std::string target(name);
    if (unlinkat(fd_.get(), target.c_str(), 0) == 0 || errno == ENOENT) {
        return {};
    }
    if (errno != EISDIR && errno != EPERM) {
        return failure("remove", name, errno);
    }
    const int fd = open_beneath(fd_.get(), target, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return failure("remove", name, errno);
    }
    const Directory child(fd, path_ / target);
    const auto inside = child.names();
    if (!inside) {
        return fail(inside.error());
    }
    for (const std::string& file : *inside) {
        if (unlinkat(fd, file.c_str(), 0) != 0 && errno != ENOENT) {
            return child.failure("remove", file, errno);
        }
    }
    if (unlinkat(fd_.get(), target.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return failure("remove", name, errno);
    }
    return {};
}

}  // namespace hwenroll::publish
