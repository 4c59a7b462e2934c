// Renders scep_requirements.txt and the tests' names as docs/scep-conformance.md.
#include "tests/lint/catalogue_document.h"
#include "tests/lint/requirement_table.h"
#include "tests/support/temporary_directory.h"

int main(int argc, char** argv) {
    using namespace hwenroll;
    return lint::run_catalogue_document(
        argc, argv, {"docs/scep-conformance.md", [](const std::filesystem::path& root) {
                         return lint::render_requirements(lint::requirement_table(
                             test::read_file(root / "tests/lint/scep_requirements.txt"), lint::read_tree(root)));
                     }});
}
