// Where hwenroll-token is.
#pragma once

#include <filesystem>

namespace hwenroll::runtime {

/// The worker that belongs to `program` (an absolute path): beside it, as a build places it; else where an installation
/// does, by a way that starts at `program` and so is the same under every prefix. Where neither is there, the installed
/// one, for the error that names it. Thread-safe.
std::filesystem::path worker_of(const std::filesystem::path& program);

}  // namespace hwenroll::runtime
