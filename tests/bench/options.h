// Command line of a benchmark program.
#pragma once

#include <functional>
#include <string>

namespace hwenroll::bench {

/// What a benchmark program was asked for.
struct Options {
    bool quick = false;     ///< few repetitions: shows that everything works, and a first figure
    std::string callgrind;  ///< directory for callgrind's files: count instructions instead of time; else empty
};

/// Reads `--quick` and `--callgrind DIRECTORY`, runs `body` and yields the exit status of the program. An exception
/// from `body` is reported on standard error and becomes 1, an unknown argument 64.
int run_program(int argc, char** argv, const std::function<void(const Options&)>& body);

}  // namespace hwenroll::bench
