#include "agent/cli/output.h"

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <langinfo.h>
#include <optional>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/proposed_command.h"
#include "agent/cli/text_layout.h"

namespace hwenroll::cli {
namespace {

/// A number of columns or lines from the environment; nothing when it is none.
std::optional<std::size_t> size_from(const char* variable) {
    const char* const text = std::getenv(variable);
    std::size_t size = 0;
    if (text == nullptr) {
        return std::nullopt;
    }
    const std::string_view all(text);
    const auto read = std::from_chars(all.data(), all.data() + all.size(), size);
    const bool good = read.ec == std::errc() && read.ptr == all.data() + all.size() && size > 0 && size < 10'000;
    return good ? std::optional(size) : std::nullopt;
}

}  // namespace

Screen screen_of_standard_output(bool colors) {
    Screen screen;
    screen.terminal = ::isatty(STDOUT_FILENO) == 1;
    screen.color = screen.terminal && colors;
    std::setlocale(LC_CTYPE, "");
    screen.unicode = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
    winsize size{};
    if (screen.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        screen.width = size.ws_col;
        screen.height = size.ws_row;
    }
    screen.width = size_from("COLUMNS").value_or(screen.width);
    screen.height = size_from("LINES").value_or(screen.height);
    return screen;
}

std::string table(const std::vector<std::string>& header, std::vector<std::vector<std::string>> rows,
                  const Paint& paint) {
    rows.insert(rows.begin(), header);
    std::vector<std::size_t> widths(header.size());
    for (auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = printable(row[i]);
            widths.at(i) = std::max(widths.at(i), width(row[i]));
        }
    }
    std::string out;
    for (const auto& row : rows) {
        const bool painted = paint && &row != &rows.front();
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += painted ? paint(i, row[i]) : row[i];
            if (i + 1 < row.size()) {
                out.append(widths[i] - width(row[i]) + 2, ' ');
            }
        }
        out += '\n';
    }
    return out;
}

void print_json(std::string_view command, nlohmann::json body) {
    body["schema"] = 1;
    body["command"] = command;
    std::puts(body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int report(const CommandContext& context, const Error& given) {
    const bool denied = given.code() == ErrorCode::state_denied || given.code() == ErrorCode::control_denied;
    Error error = given;
    if (denied && ::geteuid() != 0 && !context.typed.empty()) {
        error =
            Error(given.code(), given.what(), given.why(), fmt::format("{}: 'sudo {}'", given.next(), context.typed));
    }
    std::fputs((with_proposed_commands(proposal_ground(context.paths), error).line() + "\n").c_str(), stderr);
    return error.info().exit_code;
}

}  // namespace hwenroll::cli
