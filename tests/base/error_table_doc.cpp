// Renders base/error_table.def as docs/errors.md: `error_table_doc FILE` compares, `error_table_doc --write FILE`
// writes.
#include <cstdio>
#include <fstream>
#include <iterator>
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

std::string render() {
    std::string text =
        "# Errors\n\n"
        "Every failure is one line: `CODE what-it-concerns: what (why); what next`. This table is rendered from\n"
        "`base/error_table.def`; after changing that file run `build/dev/bin/error_table_doc --write docs/errors.md`.\n"
        "The exit codes are those of `hwenrolld --once` and `hwenroll`; with several failures the first of\n"
        "78 > 77 > 76 > 69 > 75 counts.\n\n"
        "| code | exit | meaning | remedy | what next |\n"
        "|---|---|---|---|---|\n";
    for (const ErrorInfo& row : error_table()) {
        text += fmt::format("| `{}` | {} | {} | {} | {} |\n", row.name, row.exit_code, row.meaning, words(row.remedy),
                            row.next);
    }
    return text;
}

int compare(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string there{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (there == render()) {
        return 0;
    }
    fmt::print(stderr, "{} is not what base/error_table.def says; run: error_table_doc --write {}\n", path, path);
    return 1;
}

int write(const std::string& path) {
    std::ofstream out(path, std::ios::binary);
    out << render();
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
    if (argc == 2) {
        return hwenroll::compare(argv[1]);
    }
    if (argc == 3 && std::string_view(argv[1]) == "--write") {
        return hwenroll::write(argv[2]);
    }
    fmt::print(stderr, "usage: error_table_doc [--write] FILE\n");
    return 64;
}
