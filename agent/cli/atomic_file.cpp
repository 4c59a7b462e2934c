#include "agent/cli/atomic_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace hwenroll::cli {
namespace {

Error not_written(const std::filesystem::path& path, int number) {
    return Error(ErrorCode::input_file, "cannot write " + path.string(), std::generic_category().message(number),
                 number == ENOENT ? "make the directory " + path.parent_path().string() + " first"
                                  : "choose a path that this user may write to");
}

Error is_there(const std::filesystem::path& path) {
    return Error(ErrorCode::input_file, path.string() + " is there already", {},
                 "it is left as it is; name another file, or move it away");
}

/// A temporary file that goes unless it was given its name.
class Draft {
 public:
    explicit Draft(const std::filesystem::path& path)
        : path_((path.parent_path() / ("." + path.filename().string() + ".XXXXXX")).string()),
          file_(::mkostemp(path_.data(), O_CLOEXEC)) {}
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (file_.valid() && !named_) {
            ::unlink(path_.c_str());
        }
    }

    [[nodiscard]] bool valid() const { return file_.valid(); }

    bool write(std::string_view content) const {
        while (!content.empty()) {
            const ssize_t size = ::write(file_.get(), content.data(), content.size());
            if (size < 0 && errno != EINTR) {
                return false;
            }
            content.remove_prefix(size > 0 ? static_cast<std::size_t>(size) : 0);
        }
        return true;
    }

    bool finish(mode_t mode) const { return ::fchmod(file_.get(), mode) == 0 && ::fsync(file_.get()) == 0; }

    /// rename(2) replaces, link(2) does not, on every file system.
    bool name(const std::filesystem::path& path, Existing existing) {
        if (existing == Existing::keep) {
            return ::link(path_.c_str(), path.c_str()) == 0;
        }
        named_ = ::rename(path_.c_str(), path.c_str()) == 0;
        return named_;
    }

 private:
    std::string path_;
    FileDescriptor file_;
    bool named_ = false;
};

void flush_directory(const std::filesystem::path& path) {
    const std::filesystem::path parent = path.parent_path();
    const FileDescriptor directory(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.valid()) {
        ::fsync(directory.get());  // some file systems refuse it
    }
}

}  // namespace

Status write_atomically(const std::filesystem::path& path, std::string_view content, mode_t mode, Existing existing) {
    Draft draft(path);
    if (!draft.valid() || !draft.write(content) || !draft.finish(mode)) {
        return fail(not_written(path, errno));
    }
    if (!draft.name(path, existing)) {
        return fail(errno == EEXIST ? is_there(path) : not_written(path, errno));
    }
    flush_directory(path);
    return {};
}

}  // namespace hwenroll::cli
