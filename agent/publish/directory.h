// File operations relative to an open directory, so that no other path can slip in between (SEC-15, H14).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace hwenroll::publish {

/// Permissions of a file to be made.
struct FileOwnership {
    mode_t mode = 0600;
    std::optional<gid_t> group;  ///< nothing: the process's
};

/// A content that gives itself piece by piece to `take`, until that returns false: larger than what should be in memory
/// at once.
using Pieces = std::function<void(const std::function<bool(std::string_view)>& take)>;

/// A content that is in memory; borrowed.
Pieces in_one_piece(std::string_view content);

/// An open directory. Names are single components; symbolic links are never followed. Moveable; the descriptor is
/// closed at the end. Every error has code publish_write, names the path and repeats the system's text. Not
/// thread-safe as an object; several objects of one directory are.
class Directory {
 public:
    enum class Absent : std::uint8_t { fail, create };

    /// Opens `path`, which must belong to root or this user and must not be writable by everybody; with Absent::create
    /// it is made with mode 0711 if only its last component is missing.
    static Result<Directory> open(const std::filesystem::path& path, Absent absent);

    Directory(Directory&&) noexcept = default;
    Directory& operator=(Directory&&) noexcept = default;
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() = default;

    /// For messages.
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// Opens a subdirectory under the same conditions; one that is made has mode 0700.
    [[nodiscard]] Result<Directory> open_child(std::string_view name, Absent absent) const;

    /// Makes a subdirectory of mode 0700 that must not exist.
    [[nodiscard]] Result<Directory> create_child(std::string_view name) const;

    enum class Kind : std::uint8_t { none, directory, other };

    /// What there is of that name; a link is `other`, wherever it points.
    [[nodiscard]] Result<Kind> kind_of(std::string_view name) const;

    /// Writes a file that must not exist and makes it durable. What was begun is left for the caller to remove.
    [[nodiscard]] Status write_file(std::string_view name, const Pieces& content, const FileOwnership& ownership) const;

    /// Reads a regular file of at most 4 MiB.
    [[nodiscard]] Result<std::string> read_file(std::string_view name) const;

    /// Whether a file, of any size, has exactly this content. Errors as read_file(), but for its bound.
    [[nodiscard]] Result<bool> holds(std::string_view name, const Pieces& content) const;

    /// Gives an existing regular file these permissions if it has others.
    [[nodiscard]] Status set_ownership(std::string_view name, const FileOwnership& ownership) const;

    /// Mode of the directory itself.
    [[nodiscard]] Status set_mode(mode_t mode) const;

    /// fsync of the directory. After a failure the descriptor says nothing reliable any more (S3): open a new one.
    [[nodiscard]] Status sync() const;

    /// Renames within the directory; fails if `to` exists.
    [[nodiscard]] Status rename_to_new(std::string_view from, std::string_view to) const;

    /// Renames within the directory in place of `to`.
    [[nodiscard]] Status rename_over(std::string_view from, std::string_view to) const;

    /// Makes a symbolic link that must not exist.
    [[nodiscard]] Status create_link(std::string_view name, std::string_view target) const;

    /// The target of the symbolic link `name`; nothing when there is nothing of that name. Something that is no link is
    /// an error.
    [[nodiscard]] Result<std::optional<std::string>> read_link(std::string_view name) const;

    /// The names in the directory, sorted.
    [[nodiscard]] Result<std::vector<std::string>> names() const;

    /// Removes a file, a link or a directory with its files; what does not exist is fine.
    [[nodiscard]] Status remove(std::string_view name) const;

 private:
    Directory(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
    /// A regular file, opened for reading.
    [[nodiscard]] Result<FileDescriptor> open_file(std::string_view name) const;
    static Result<Directory> checked(int fd, std::filesystem::path path);
    [[nodiscard]] tl::unexpected<Error> failure(std::string_view operation, std::string_view name, int number) const;
    /// ErrorCode::publish_unseen where descriptors or memory ran out, otherwise as failure().
    [[nodiscard]] tl::unexpected<Error> unread(std::string_view operation, std::string_view name, int number,
                                               std::string why) const;

    FileDescriptor fd_;
    std::filesystem::path path_;
};

}  // namespace hwenroll::publish
