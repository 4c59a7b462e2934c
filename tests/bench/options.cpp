#include "tests/bench/options.h"

#include <exception>
#include <string_view>

#include <fmt/format.h>

namespace hwenroll::bench {

int run_program(int argc, char** argv, const std::function<void(const Options&)>& body) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--quick") {
            options.quick = true;
        } else if (argument == "--callgrind" && i + 1 < argc) {
            options.callgrind = argv[++i];
        } else {
            fmt::print(stderr, "{}: unknown argument '{}'; there are --quick and --callgrind DIRECTORY\n", argv[0],
                       argument);
            return 64;
        }
    }
    try {
        body(options);
    } catch (const std::exception& exception) {
        fmt::print(stderr, "{}: {}\n", argv[0], exception.what());
        return 1;
    }
    return 0;
}

}  // namespace hwenroll::bench
