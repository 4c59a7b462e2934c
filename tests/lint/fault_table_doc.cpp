// Renders faults.txt and the tests' names as docs/faults.md.
#include "tests/lint/catalogue_document.h"
#include "tests/lint/fault_table.h"
#include "tests/support/temporary_directory.h"

int main(int argc, char** argv) {
    using namespace hwenroll;
    return lint::run_catalogue_document(
        argc, argv, {"docs/faults.md", [](const std::filesystem::path& root) {
                         return lint::render_faults(lint::fault_table(test::read_file(root / "tests/lint/faults.txt"),
                                                                      lint::read_tree(root / "tests")));
                     }});
}
