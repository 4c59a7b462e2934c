// How commands print: tables for people, JSON with a versioned schema for scripts.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/cli/status_screen.h"
#include "base/error.h"

namespace hwenroll::cli {

struct CommandContext;

/// What the global options say.
struct OutputOptions {
    bool json = false;
    Screen screen;  ///< its colours are off with --no-color, NO_COLOR and off a terminal
};

/// What standard output is: its size by COLUMNS and LINES, else as the terminal says, else 80 columns. `colors`: they
/// were not switched off.
Screen screen_of_standard_output(bool colors);

/// What stands in a column for a cell: of the same width on a terminal.
using Paint = std::function<std::string(std::size_t column, const std::string& cell)>;

/// Rows of equal length as aligned columns with a header; remote text is made printable. Ends with a newline. `paint`
/// has the last word on the cells of the rows.
std::string table(const std::vector<std::string>& header, std::vector<std::vector<std::string>> rows,
                  const Paint& paint = {});

/// `{"schema": 1, "command": …, …}` on standard output.
void print_json(std::string_view command, nlohmann::json body);

/// The error's line on standard error, its remedy with commands that work as they stand. Returns its exit code.
int report(const CommandContext& context, const Error& error);

}  // namespace hwenroll::cli
