// The drop-ins of a machine that has no main file yet.
#pragma once

#include "agent/config/loader.h"

namespace hwenroll::config {

/// What load() would say if the main file were there and empty. Errors: those of read_configuration. Blocks as load().
Result<Configuration> load_drop_ins(const ConfigurationPaths& paths);

}  // namespace hwenroll::config
