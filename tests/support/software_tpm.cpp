#include "tests/support/software_tpm.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <filesystem>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

namespace hwenroll::test {

namespace {

using namespace std::chrono_literals;

/// Binds a loopback port, 0 for any, and lets it go again: the port, or 0 if it is in use.
std::uint16_t probe(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    close(socket);
    return bound ? ntohs(address.sin_port) : std::uint16_t{0};
}

/// The first of two free ports in a row: libtss2-tcti-swtpm looks for the control channel behind the commands' port.
std::uint16_t free_pair() {
    for (;;) {
        const std::uint16_t port = probe(0);
        if (port != 0 && port < 65535 && probe(static_cast<std::uint16_t>(port + 1)) != 0) {
            return port;
        }
    }
}

}  // namespace

SoftwareTpm::SoftwareTpm() {
    setenv("TSS2_LOG", "all+NONE", 1);  // NOLINT(concurrency-mt-unsafe): before any other thread
    std::filesystem::create_directory(directory_ / "state");
    for (int tries = 0; tries < 10; ++tries) {
        port_ = free_pair();
        if (try_to_start()) {
            return;
        }
    }
    throw std::runtime_error("swtpm does not start: is the package installed?");
}

std::string SoftwareTpm::tcti() const {
    return fmt::format("swtpm:host=127.0.0.1,port={}", port_);
}

void SoftwareTpm::start() {
    // Its ports are free again once connections that were open when it ended, or another test's that got one of them
    // meanwhile, have ended.
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < deadline) {
        if (try_to_start()) {
            return;
        }
        std::this_thread::sleep_for(20ms);
    }
    throw std::runtime_error("swtpm does not start again");
}

void SoftwareTpm::replace() {
    stop();
    std::filesystem::remove_all(directory_ / "state");
    std::filesystem::create_directory(directory_ / "state");
    start();
}

bool SoftwareTpm::try_to_start() {
    process_ = std::make_unique<ChildProcess>(std::vector<std::string>{
        "swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + (directory_ / "state").string(), "--server",
        fmt::format("type=tcp,port={},bindaddr=127.0.0.1", port_), "--ctrl",
        fmt::format("type=tcp,port={},bindaddr=127.0.0.1", port_ + 1), "--flags", "not-need-init,startup-clear"});
    // Of the two ports the commands' one is opened last.
    return !process_->wait(30ms) && wait_until_listening(port_, 5s) && !process_->wait(0ms);
}

RunResult SoftwareTpm::tool(std::vector<std::string> arguments) const {
    return run(std::move(arguments), {{"TPM2TOOLS_TCTI=" + tcti()}, directory_.path(), {}});
}

std::string SoftwareTpm::must(std::vector<std::string> arguments) const {
    const std::string name = arguments.at(0);
    RunResult result = tool(std::move(arguments));
    if (result.exit_code != 0) {
        throw std::runtime_error(fmt::format("{}: {}{}", name, result.out, result.err));
    }
    return std::move(result.out);
}

}  // namespace hwenroll::test
