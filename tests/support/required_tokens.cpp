#include "tests/support/required_tokens.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <unistd.h>

namespace hwenroll::test {

namespace {

bool is_there(const std::string& file) {
    if (file.find('/') != std::string::npos) {
        return ::access(file.c_str(), R_OK) == 0;
    }
    const char* const path = std::getenv("PATH");
    std::istringstream directories(path == nullptr ? "" : path);
    for (std::string directory; std::getline(directories, directory, ':');) {
        if (::access((directory + '/' + file).c_str(), X_OK) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<std::string> missing_package(const std::vector<PackagedFile>& files) {
    const auto missing = std::ranges::find_if(files, [](const PackagedFile& each) { return !is_there(each.file); });
    return missing == files.end() ? std::nullopt
                                  : std::optional(missing->file + " is not here: the Debian package " +
                                                  missing->package + " is not installed");
}

bool tokens_are_required() {
    return std::getenv("HWENROLL_REQUIRE_TOKENS") != nullptr;
}

}  // namespace hwenroll::test
