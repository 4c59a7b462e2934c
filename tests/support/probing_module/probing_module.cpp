// A PKCS#11 module for tests that tries, as soon as it is loaded, what a module in the token worker may not do, and
// writes the errors to the file HWENROLL_TEST_PROBE: "execve EPERM", "AF_INET EAFNOSUPPORT", "AF_UNIX 0", one a line.
// It has no function list.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

std::string name_of(int error) {
    return error == 0 ? "0" : strerrorname_np(error);
}

std::string try_socket(int family) {
    const int descriptor = socket(family, SOCK_STREAM, 0);
    const int error = descriptor < 0 ? errno : 0;
    if (descriptor >= 0) {
        close(descriptor);
    }
    return name_of(error);
}

std::string try_to_run_a_program() {
    char path[] = "/nonexistent/program";
    char* const none[] = {path, nullptr};
    execve(path, none, none + 1);
    return name_of(errno);
}

__attribute__((constructor)) void probe() {
    const char* const report = std::getenv("HWENROLL_TEST_PROBE");
    if (report == nullptr) {
        return;
    }
    std::ofstream(report) << "execve " << try_to_run_a_program() << "\nPR_SET_DUMPABLE "
                          << name_of(prctl(PR_SET_DUMPABLE, 1) == 0 ? 0 : errno) << "\nAF_INET " << try_socket(AF_INET)
                          << "\nAF_UNIX " << try_socket(AF_UNIX) << '\n';
}

}  // namespace
