#include "tests/support/silent_name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/covered_files.h"

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

}  // namespace

// The resolver takes its server from this file only.
bool enter_network_with_silent_name_server() {
    return enter_network_with_files({{"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:3 attempts:2\n"},
                                     {"/etc/nsswitch.conf", "hosts: files dns\n"}}) &&
           listen_without_answering();
}

}  // namespace hwenroll::test
