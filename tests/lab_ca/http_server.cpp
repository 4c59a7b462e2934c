#include "tests/lab_ca/http_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

#include <fmt/format.h>

namespace hwenroll::lab_ca {
namespace {

constexpr std::size_t max_connections = 256;
constexpr std::chrono::seconds idle_limit{30};
constexpr std::chrono::seconds drain_limit{2};
constexpr std::chrono::milliseconds tick{1000};  // bounds how late a deadline is noticed

std::string errno_text() {
    return std::strerror(errno);
}

std::uint16_t bound_port(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
    if (address.ss_family == AF_INET6) {
        return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
    }
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

/// Closing it will send RST in place of FIN (socket(7), SO_LINGER with no time).
void reset_on_close(int socket) {
    const linger none{1, 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

ByteView without_half_of_body(ByteView wire, const HttpReply& reply) {
    return wire.first(wire.size() - (reply.body.size() + 1) / 2);
}

}  // namespace

HttpServer::HttpServer(FileDescriptor socket, std::uint16_t port, HttpLimits limits)
    : socket_(std::move(socket)), port_(port), limits_(limits) {}

Result<HttpServer> HttpServer::listen(const std::string& host, std::uint16_t port, HttpLimits limits) {
    const std::string what = fmt::format("cannot listen on {}:{}", host, port);
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0) {
        return fail(ErrorCode::usage, what, gai_strerror(error), "give a numeric address, as in 127.0.0.1:8080");
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);
    FileDescriptor socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!socket.valid() || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(socket.get(), address->ai_addr, address->ai_addrlen) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
        return fail(ErrorCode::ca_unreachable, what, errno_text(), "choose another port, or 0 for any");
    }
    const std::uint16_t bound = bound_port(socket.get());
    return HttpServer(std::move(socket), bound, limits);
}

Status HttpServer::run(HttpService& service, int stop_fd) {
    std::vector<pollfd> polled;
    while (true) {
        polled.assign({{stop_fd, POLLIN, 0}, {socket_.get(), POLLIN, 0}});
        const MonotonicTime asked = std::chrono::steady_clock::now();
        const bool paused = asked < accept_from_;
        if (connections_.size() >= max_connections || paused) {
            polled[1].events = 0;
        }
        for (const Connection& connection : connections_) {
            const bool sends = connection.sent < connection.out.size();
            const int waiting = asked < connection.send_from ? 0 : POLLOUT;
            polled.push_back({connection.socket.get(), static_cast<short>(sends ? waiting : POLLIN), 0});
        }
        const int timeout = connections_.empty() && !paused ? -1 : static_cast<int>(wait_limit(asked).count());
        if (poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) {
            return fail(ErrorCode::internal, "cannot wait for connections", errno_text());
        }
        if (polled[0].revents != 0) {
            connections_.clear();
            return {};
        }
        const MonotonicTime now = std::chrono::steady_clock::now();
        std::size_t i = 2;
        for (Connection& connection : connections_) {
            const short events = polled[i++].revents;
            if ((events & POLLOUT) != 0) {
                send_pending(connection, now);
            } else if (events != 0) {
                receive(connection, service, now);
            }
            connection.finished = connection.finished || now > connection.deadline;
        }
        connections_.remove_if([](const Connection& connection) { return connection.finished; });
        if (polled[1].revents != 0) {
            accept_all(now);
        }
    }
}

/// Until the next octet that is held back, and a tick at most.
std::chrono::milliseconds HttpServer::wait_limit(MonotonicTime now) const {
    std::chrono::milliseconds limit = tick;
    for (const Connection& connection : connections_) {
        if (now < connection.send_from) {
            limit = std::min(limit, std::chrono::ceil<std::chrono::milliseconds>(connection.send_from - now));
        }
    }
    return limit;
}

void HttpServer::accept_all(MonotonicTime now) {
    while (connections_.size() < max_connections) {
        FileDescriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket.valid()) {
            // The connection stays in the backlog and poll() would report it again at once, for as long as it lasts.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                accept_from_ = now + tick;
                ++*pauses_;
            }
            return;
        }
        const int on = 1;
        setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections_.push_back(Connection{.socket = std::move(socket),
                                          .reader = HttpRequestReader(limits_),
                                          .out = {},
                                          .deadline = now + idle_limit,
                                          .endless = {}});
    }
}

void HttpServer::receive(Connection& connection, HttpService& service, MonotonicTime now) {
    std::array<std::uint8_t, 16384> buffer{};
    const ssize_t count = recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        connection.finished = true;
        return;
    }
    if (connection.draining) {
        return;
    }
    // The deadline is for the whole request: a client that drips octets does not extend it.
    if (connection.reader.idle()) {
        connection.deadline = now + idle_limit;
    }
    connection.reader.feed({buffer.data(), static_cast<std::size_t>(count)});
    answer_requests(connection, service, now);
    if (!connection.finished) {
        send_pending(connection, now);
    }
}

void HttpServer::answer_requests(Connection& connection, HttpService& service, MonotonicTime now) {
    const auto append = [&](ByteView octets) {
        connection.out.insert(connection.out.end(), octets.begin(), octets.end());
    };
    while (!connection.close_after && connection.reader.state() == HttpRequestReader::State::complete) {
        const HttpRequest request = connection.reader.take();
        const HttpReply reply = service.answer(request);
        const Delivery& delivery = reply.delivery;
        connection.close_after = !request.keep_alive() || delivery.end != Delivery::End::regular ||
                                 !delivery.wire.empty() || reply.minor_version == 0;
        connection.reset = delivery.end == Delivery::End::reset;
        if (delivery.end == Delivery::End::unanswered) {
            return;
        }
        if (connection.reset && delivery.wire.empty()) {
            reset_on_close(connection.socket.get());
            connection.finished = true;
            return;
        }
        connection.endless = delivery.endless;
        const Bytes wire = delivery.wire.empty() ? to_wire(reply, !connection.close_after) : delivery.wire;
        append(delivery.end == Delivery::End::truncated ? without_half_of_body(wire, reply) : ByteView(wire));
        connection.pause = delivery.pause;
        if (delivery.delay.count() > 0) {
            connection.send_from = now + delivery.delay;
            connection.deadline = connection.send_from + idle_limit;
        }
    }
    if (connection.close_after) {
        return;
    }
    if (connection.reader.state() == HttpRequestReader::State::refused) {
        const int status = connection.reader.status();
        service.refused(connection.reader.understood(), status);
        connection.close_after = true;
        append(to_wire(text_reply(status, "scep-lab-ca does not read such a request"), false));
    } else if (connection.reader.take_continue()) {
        append(to_bytes(as_bytes("HTTP/1.1 100 Continue\r\n\r\n")));
    }
}

void HttpServer::send_pending(Connection& connection, MonotonicTime now) {
    while (connection.sent < connection.out.size()) {
        if (now < connection.send_from) {
            return;
        }
        const bool drips = connection.pause.count() > 0;
        const ssize_t count = send(connection.socket.get(), connection.out.data() + connection.sent,
                                   drips ? 1 : connection.out.size() - connection.sent, MSG_NOSIGNAL);
        if (count < 0) {
            connection.finished = errno != EAGAIN && errno != EINTR;
            return;
        }
        connection.sent += static_cast<std::size_t>(count);
        if (drips) {
            connection.send_from = now + connection.pause;
            connection.deadline = connection.send_from + idle_limit;
        }
    }
    connection.out = connection.endless;
    connection.sent = 0;
    if (!connection.out.empty()) {
        connection.deadline = now + idle_limit;
        return;
    }
    connection.pause = {};
    if (connection.reset) {
        reset_on_close(connection.socket.get());
        connection.finished = true;
        return;
    }
    if (connection.close_after && !connection.draining) {
        // Closing with unread octets in the socket would reset it and could take the reply away from the client.
        shutdown(connection.socket.get(), SHUT_WR);
        connection.draining = true;
        connection.deadline = now + drain_limit;
    }
}

}  // namespace hwenroll::lab_ca
