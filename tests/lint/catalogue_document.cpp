#include "tests/lint/catalogue_document.h"

#include <cstdio>
#include <exception>
#include <string_view>

#include <fmt/format.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {

int run_catalogue_document(int argc, char** argv, const CatalogueDocument& document) {
    const bool writes = argc == 3 && std::string_view(argv[1]) == "--write";
    if (argc != 2 && !writes) {
        fmt::print(stderr, "usage: {} [--write] ROOT\n", argv[0]);
        return 64;
    }
    try {
        const std::filesystem::path root = argv[argc - 1];
        const std::string text = document.render(root);
        if (writes) {
            test::write_file(root / document.path, text);
        } else {
            fmt::print("{}", text);
        }
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
    return 0;
}

}  // namespace hwenroll::lint
