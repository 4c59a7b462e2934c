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

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  const Paint& paint) {
    std::vector<std::vector<std::string>> lines;
    lines.reserve(rows.size() + 1);
    lines.push_back(header);
    lines.insert(lines.end(), rows.begin(), rows.end());
    std::vector<std::size_t> widths(header.size());
    for (auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            line[i] = printable(line[i]);
            widths.at(i) = std::max(widths.at(i), width(line[i]));
        }
    }
    std::string out;
    for (const auto& line : lines) {
        const bool painted = paint && &line != &lines.front();
        for (std::size_t i = 0; i < line.size(); ++i) {
            out += painted ? paint(i, line[i]) : line[i];
            if (i + 1 < line.size()) {
                out.append(widths[i] - width(line[i]) + 2, ' ');
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
