// Renders faults.txt and the tests' names as docs/faults.md: `fault_table_doc ROOT` prints, `fault_table_doc --write
// ROOT` writes.
#include <cstdio>
#include <exception>
#include <string_view>

#include <fmt/format.h>

#include "tests/lint/fault_table.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace hwenroll;

void run(const std::filesystem::path& root, bool writes) {
    const std::string text = lint::render(
        lint::fault_table(test::read_file(root / "tests/lint/faults.txt"), lint::read_tree(root / "tests")));
    if (writes) {
        test::write_file(root / "docs/faults.md", text);
    } else {
        fmt::print("{}", text);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bool writes = argc == 3 && std::string_view(argv[1]) == "--write";
    if (argc != 2 && !writes) {
        fmt::print(stderr, "usage: fault_table_doc [--write] ROOT\n");
        return 64;
    }
    try {
        run(argv[argc - 1], writes);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
    return 0;
}
