// Files that only root can have written.
#pragma once

#include <filesystem>

#include "agent/config/loader.h"
#include "base/result.h"

namespace hwenroll::hook {

/// Every component of the absolute `path` belongs to root (or to the user of this process, which is root), is no
/// symbolic link, and can be written by its owner only; a directory above it may be sticky instead, as /tmp is. Then
/// nobody else can have chosen what stands there, now or between this and its use. Error code: config_file.
Status check_root_owned(const std::filesystem::path& path);

/// check_root_owned of everything that config::load would read, and of the directories in which more could appear.
/// Drop-ins that are not there are fine. Error code: config_file.
Status check_root_owned(const config::ConfigurationPaths& paths);

}  // namespace hwenroll::hook
