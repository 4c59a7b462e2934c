// A network and files of a test's own, for what the resolver reads from /etc.
#pragma once

#include <initializer_list>
#include <string>

namespace hwenroll::test {

struct CoveredFile {
    const char* path;
    std::string text;  ///< what stands there instead
};

/// Moves this process into a network and a mount namespace of its own where each of these files, which must exist, has
/// another text. For a forked child without threads; it ends with the process. False where the kernel does not allow
/// it.
bool enter_network_with_files(std::initializer_list<CoveredFile> files);

}  // namespace hwenroll::test
