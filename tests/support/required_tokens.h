// Tokens that a machine may lack: a test of one is skipped there, but never in CI.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hwenroll::test {

/// A file that a test needs, a path or a program in PATH, and the Debian package that brings it.
struct PackagedFile {
    std::string file;
    std::string package;
};

/// The first of `files` that is not there, in words that name its package; nothing when all are there.
std::optional<std::string> missing_package(const std::vector<PackagedFile>& files);

/// No token may be missing (HWENROLL_REQUIRE_TOKENS, as .ci/run sets it): what would be a skip is a failure.
bool tokens_are_required();

}  // namespace hwenroll::test
