#include "tests/support/silent_name_server.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <netinet/in.h>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/private_network.h"

namespace hwenroll::test {
namespace {

bool listen_without_answering() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(53);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// The resolver takes its server from this file only, so it is covered for this process.
bool cover(const char* path, const std::string& text) {
    std::string name = "/tmp/hwenroll-cover-XXXXXX";
    const int fd = ::mkstemp(name.data());
    const bool covered = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         ::mount(name.c_str(), path, nullptr, MS_BIND, nullptr) == 0;
    ::close(fd);
    ::unlink(name.c_str());
    return covered;
}

}  // namespace

bool enter_network_with_silent_name_server() {
    return enter_private_network() && ::unshare(CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           cover("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:3 attempts:2\n") &&
           cover("/etc/nsswitch.conf", "hosts: files dns\n") && listen_without_answering();
}

}  // namespace hwenroll::test
