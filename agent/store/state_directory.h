// The agent's own directory and the lock that keeps a second instance out.
#pragma once

#include <filesystem>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace hwenroll::store {

/// A locked state directory. The lock is flock(2) on the directory itself: it ends with the process, however it ends.
class StateDirectory {
 public:
    /// Makes `path` with mode 0711 if it is missing (parents too) and locks it without waiting.
    /// Errors: state_directory, state_locked.
    static Result<StateDirectory> lock(const std::filesystem::path& path);

 private:
    explicit StateDirectory(int fd) : lock_(fd) {}
    FileDescriptor lock_;
};

/// The only place that knows the names in the state directory.
std::filesystem::path database_path(const std::filesystem::path& state_dir);

}  // namespace hwenroll::store
