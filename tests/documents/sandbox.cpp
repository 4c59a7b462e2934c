#include "tests/documents/sandbox.h"

#include <chrono>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "tests/support/test_paths.h"

namespace hwenroll::test {

Sandbox::Sandbox(const std::filesystem::path& config, std::vector<std::string> environment)
    : environment_(std::move(environment)) {
    const std::filesystem::path programs = directory_ / "bin";
    std::filesystem::create_directory(programs);
    for (const char* name : {"hwenroll", "hwenrolld"}) {
        write_file(
            programs / name,
            fmt::format("#!/bin/sh\ncase \" $* \" in\n*' --config '* | *' --config='*) exec {0} \"$@\" ;;\nesac\n"
                        "exec {0} \"$@\" --config {1}\n",
                        program(name), config.string()),
            0755);
    }
    const char* const path = std::getenv("PATH");
    environment_.push_back(fmt::format("PATH={}:{}:{}", programs.string(),
                                       std::filesystem::path(program("hwenroll")).parent_path().string(),
                                       path == nullptr ? "/usr/bin:/bin" : path));
}

ChildOptions Sandbox::options(const std::filesystem::path& directory) const {
    return {environment_, directory.empty() ? directory_.path() : directory, {}};
}

RunResult Sandbox::run(const std::string& script) const {
    return test::run({"sh", "-euc", script}, options(), std::chrono::seconds(120));
}

}  // namespace hwenroll::test
