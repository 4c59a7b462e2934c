#include "tests/support/covered_files.h"

#include <algorithm>
#include <cstdlib>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/private_network.h"

namespace hwenroll::test {
namespace {

bool cover(const CoveredFile& file) {
    std::string name = "/tmp/hwenroll-cover-XXXXXX";
    const int fd = ::mkstemp(name.data());
    const bool covered = fd >= 0 &&
                         ::write(fd, file.text.data(), file.text.size()) == static_cast<ssize_t>(file.text.size()) &&
                         ::mount(name.c_str(), file.path, nullptr, MS_BIND, nullptr) == 0;
    ::close(fd);
    ::unlink(name.c_str());
    return covered;
}

}  // namespace

bool enter_network_with_files(std::initializer_list<CoveredFile> files) {
    return enter_private_network() && ::unshare(CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           std::all_of(files.begin(), files.end(), cover);
}

}  // namespace hwenroll::test
