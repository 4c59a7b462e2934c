#include "agent/store/state_directory.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace hwenroll::store {

Result<StateDirectory> StateDirectory::lock(const std::filesystem::path& path) {
    std::error_code failure;
    std::filesystem::create_directories(path.parent_path(), failure);
    // Searchable for all, whatever the umask: the published files' default place is below it. state.db itself is 0600.
    const bool made = ::mkdir(path.c_str(), 0711) == 0;
    if (made ? ::chmod(path.c_str(), 0711) != 0 : errno != EEXIST) {
        return fail(Error(ErrorCode::state_directory, "cannot make the state directory " + path.string(),
                          std::strerror(errno)));
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(Error(ErrorCode::state_directory, "cannot open the state directory " + path.string(),
                          std::strerror(errno)));
    }
    StateDirectory directory(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? fail(Error(ErrorCode::state_locked, "the state directory " + path.string() + " is in use"))
                   : fail(Error(ErrorCode::state_directory, "cannot lock the state directory " + path.string(),
                                std::strerror(errno)));
    }
    return directory;
}

std::filesystem::path database_path(const std::filesystem::path& state_dir) {
    return state_dir / "state.db";
}

}  // namespace hwenroll::store
