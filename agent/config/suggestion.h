// What somebody who mistyped a word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::config {

/// The candidate with the smallest edit distance to `word`; empty when none is near (more than a third of it differs).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace hwenroll::config
