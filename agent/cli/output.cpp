#include "agent/cli/output.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace hwenroll::cli {
namespace {

/// Code points, which is what a terminal aligns for the names that occur here.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

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

int report(const Error& error) {
    std::fputs((error.line() + "\n").c_str(), stderr);
    return error.info().exit_code;
}

std::string colored(const std::string& state_word, const OutputOptions& options) {
    if (!options.color) {
        return state_word;
    }
    const bool bad = state_word.starts_with("HELD") || state_word == "EXPIRED" || state_word == "DISABLED";
    const char* const color = state_word == "OK" ? "32" : bad ? "31" : "33";
    return std::string("\033[") + color + "m" + state_word + "\033[0m";
}

}  // namespace hwenroll::cli
