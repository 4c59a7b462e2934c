// How commands print: tables for people, JSON with a versioned schema for scripts.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"

namespace hwenroll::cli {

/// What the global options say.
struct OutputOptions {
    bool json = false;
    bool color = false;  ///< standard output is a terminal and neither --no-color nor NO_COLOR was given
};

/// What stands in a column for a cell: of the same width on a terminal.
using Paint = std::function<std::string(std::size_t column, const std::string& cell)>;

/// Rows of equal length as aligned columns with a header; remote text is made printable. Ends with a newline. `paint`
/// has the last word on the cells of the rows.
std::string table(const std::vector<std::string>& header, std::vector<std::vector<std::string>> rows,
                  const Paint& paint = {});

/// `{"schema": 1, "command": …, …}` on standard output.
void print_json(std::string_view command, nlohmann::json body);

/// The error's line on standard error. Returns its exit code.
int report(const Error& error);

/// `text` in an SGR colour when colours are on: green for good, yellow for waiting, red for bad state words.
std::string colored(const std::string& state_word, const OutputOptions& options);

}  // namespace hwenroll::cli
