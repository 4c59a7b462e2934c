// Text on a terminal: what fits on a line, and what has to go on the next one. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::cli {

/// Code points, which is what a terminal aligns for the names that occur here.
std::size_t width(std::string_view text);

/// `text` with blanks at its end up to `columns`.
std::string padded(std::string text, std::size_t columns);

/// `text`, or as much of it as `columns` have room for, with `ellipsis` in place of the rest.
std::string fitted(const std::string& text, std::size_t columns, std::string_view ellipsis);

/// Lines of at most `columns`, broken at blanks where there are any. An empty text is one empty line.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns);

}  // namespace hwenroll::cli
