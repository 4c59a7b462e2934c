// What somebody who mistyped a word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace hwenroll::config {

/// The candidate with the smallest edit distance to `word`; empty when none is near (more than a third of it differs).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// That nothing has this name: `what` it would be, with the nearest of the `known` ones, or else with `next`. Error
/// code: unknown_name.
Error no_such_name(std::string_view what, const std::string& name, const std::vector<std::string>& known,
                   std::string next = {});

}  // namespace hwenroll::config
