// The group that may read key references.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::publish {

/// The number of `name`, which must be a group of this process: without that it could not give files to it.
/// Error code: publish_write.
Result<gid_t> group_of_service(const std::string& name);

}  // namespace hwenroll::publish
