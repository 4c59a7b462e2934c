// One section of a TOML text, found without reading the values of the others.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hwenroll::config {

/// The lines of `section`, a bare key, in their places: what stands below headers that begin with it, and the keys that
/// stand before the first header. All other lines are empty, and left out at the end. Nothing when it cannot be told
/// for sure where sections begin: then all of `text` has to be read. Of other sections no more is looked at than where
/// they end.
std::optional<std::string> excerpt_of(std::string_view text, std::string_view section);

}  // namespace hwenroll::config
