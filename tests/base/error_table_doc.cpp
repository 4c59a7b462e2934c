// Renders base/error_table.def and error_triggers.txt as docs/errors.md: `error_table_doc DOCUMENT TRIGGERS` compares,
// `error_table_doc --write DOCUMENT TRIGGERS` writes.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"

namespace hwenroll {
namespace {

std::string_view words(Remedy remedy) {
    switch (remedy) {
        case Remedy::retry:
            return "passes by itself";
        case Remedy::wait_token:
            return "bring the token back";
        case Remedy::change_pin:
            return "correct the PIN";
        case Remedy::ask_ca:
            return "ask the CA's operator";
        case Remedy::change_config:
            return "change the configuration";
        case Remedy::free_storage:
            return "look after this machine";
        case Remedy::report_bug:
            return "report a bug";
    }
    return "";
}

/// The test that triggers each code, from lines `CODE TEST`.
std::map<std::string, std::string> read_triggers(const std::string& path) {
    std::ifstream in(path);
    std::map<std::string, std::string> triggers;
    for (std::string line; std::getline(in, line);) {
        const std::size_t blank = line.find(' ');
        if (!line.starts_with('#') && blank != std::string::npos) {
            triggers[line.substr(0, blank)] = line.substr(blank + 1);
        }
    }
    return triggers;
}

std::string render(const std::map<std::string, std::string>& triggers) {
    std::string text =
        "# Errors\n\n"
        "Every failure is one line: `CODE what-it-concerns: what (why); what next`. This table is rendered from\n"
        "`base/error_table.def`; after changing that file run `build/dev/bin/error_table_doc --write docs/errors.md\n"
        "tests/base/error_triggers.txt`, where the last column comes from. The explanations below the table are those "
        "of\n"
        "`hwenroll explain CODE`.\n\n"
        "The exit codes are those of `hwenrolld --once` and `hwenroll`; with several failures the first of\n"
        "78 > 77 > 76 > 69 > 75 counts.\n\n"
        "| code | exit | meaning | remedy | what next | triggered by the test |\n"
        "|---|---|---|---|---|---|\n";
    for (const ErrorInfo& row : error_table()) {
        const auto trigger = triggers.find(std::string(row.name));
        text +=
            fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", row.name, row.exit_code, row.meaning, words(row.remedy),
                        row.next, trigger == triggers.end() ? std::string() : fmt::format("`{}`", trigger->second));
    }
    text += "\n## Explanations\n";
    for (const ErrorInfo& row : error_table()) {
        text += fmt::format("\n**{}**: {}\n", row.name, row.explanation);
    }
    return text;
}

int compare(const std::string& path, const std::string& triggers) {
    std::ifstream in(path, std::ios::binary);
    const std::string there{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (there == render(read_triggers(triggers))) {
        return 0;
    }
    fmt::print(stderr, "{} is not what base/error_table.def says; run: error_table_doc --write {} {}\n", path, path,
               triggers);
    return 1;
}

int write(const std::string& path, const std::string& triggers) {
    std::ofstream out(path, std::ios::binary);
    out << render(read_triggers(triggers));
    out.close();
    if (!out) {
        fmt::print(stderr, "cannot write {}\n", path);
        return 1;
    }
    return 0;
}

}  // namespace
}  // namespace hwenroll

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) != "--write") {
        return hwenroll::compare(argv[1], argv[2]);
    }
    if (argc == 4 && std::string_view(argv[1]) == "--write") {
        return hwenroll::write(argv[2], argv[3]);
    }
    fmt::print(stderr, "usage: error_table_doc [--write] DOCUMENT TRIGGERS\n");
    return 64;
}
