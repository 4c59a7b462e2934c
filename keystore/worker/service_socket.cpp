#include "keystore/worker/service_socket.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <string_view>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "keystore/worker/child.h"

namespace hwenroll::keystore {
namespace {

/// SD_LISTEN_FDS_START.
constexpr int first_inherited = 3;

tl::unexpected<Error> refuse(std::string why, std::string next = {}) {
    return fail(ErrorCode::token_worker, "the token worker cannot serve as a service", std::move(why), std::move(next));
}

std::string error_text(int number) {
    return std::generic_category().message(number);
}

template <class Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && stop == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// Of the environment; it is forgotten there.
std::optional<long> take_number(const char* name) {
    const char* const text = std::getenv(name);
    const auto number = text != nullptr ? number_from<long>(text) : std::nullopt;
    unsetenv(name);  // NOLINT(concurrency-mt-unsafe): before any other thread
    return number;
}

int option_of(int socket, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<FileDescriptor> inherited_socket() {
    const auto process = take_number("LISTEN_PID");
    const auto count = take_number("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");  // NOLINT(concurrency-mt-unsafe)
    if (process != getpid() || count != 1) {
        return refuse("it was not given one socket", "let systemd start it: enable hwenroll-token@NAME.socket");
    }
    FileDescriptor socket(first_inherited);
    if (option_of(socket.get(), SO_TYPE) != SOCK_SEQPACKET || option_of(socket.get(), SO_DOMAIN) != AF_UNIX ||
        option_of(socket.get(), SO_ACCEPTCONN) != 1) {
        return refuse("its socket is no Unix socket that listens for packets",
                      "hwenroll-token@NAME.socket has ListenSequentialPacket= and Accept=no");
    }
    if (fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0 || fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) {
        return refuse(error_text(errno));
    }
    return socket;
}

Result<uid_t> user_number(const std::string& name) {
    if (const auto number = number_from<uid_t>(name)) {
        return *number;
    }
    const passwd* const entry = getpwnam(name.c_str());  // NOLINT(concurrency-mt-unsafe): before any other thread
    if (entry == nullptr) {
        return refuse(fmt::format("there is no user '{}'", printable(name, 64)), "name the agent's user with --user");
    }
    return entry->pw_uid;
}

Result<std::optional<FileDescriptor>> next_connection(const FileDescriptor& listening,
                                                      std::chrono::milliseconds patience) {
    const Deadline last = std::chrono::steady_clock::now() + patience;
    for (;;) {
        pollfd wait{listening.get(), POLLIN, 0};
        const int found = poll(&wait, 1, poll_timeout(last));
        if (found == 0) {
            return std::optional<FileDescriptor>();
        }
        FileDescriptor connection(found > 0 ? accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC) : -1);
        if (connection.valid()) {
            return std::optional(std::move(connection));
        }
        // What was there may be gone again (accept(2)).
        if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED) {
            return refuse(error_text(errno));
        }
    }
}

Result<FileDescriptor> termination_descriptor() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    FileDescriptor descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!descriptor.valid() || std::signal(SIGTERM, SIG_DFL) == SIG_ERR ||
        pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) {
        return refuse(error_text(errno));
    }
    return descriptor;
}

}  // namespace hwenroll::keystore
