#include "tests/e2e/tampering_proxy.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace hwenroll::test {
namespace {

constexpr std::string_view head_end = "\r\n\r\n";

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

const sockaddr* generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

bool send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// Reads more into `data`; false at the end.
bool receive(int fd, std::string& data) {
    std::array<char, 16384> buffer{};
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
        return false;
    }
    data.append(buffer.data(), static_cast<std::size_t>(size));
    return true;
}

std::size_t content_length(const std::string& head) {
    constexpr std::string_view name = "content-length:";
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
    return found == head.end() ? 0 : std::stoul(std::string(found + name.size(), head.end()));
}

std::string read_request(int client) {
    std::string request;
    while (request.find(head_end) == std::string::npos) {
        if (!receive(client, request)) {
            return {};
        }
    }
    const std::size_t body = request.find(head_end) + head_end.size();
    const std::size_t size = body + content_length(request.substr(0, body));
    while (request.size() < size && receive(client, request)) {
    }
    return request;
}

/// The same request, asking the server to close, so that its answer ends with the connection.
std::string closing(const std::string& request) {
    const std::size_t line = request.find("\r\n");
    return request.substr(0, line) + "\r\nConnection: close" + request.substr(line);
}

std::string answer_of(std::uint16_t port, const std::string& request) {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    std::string response;
    if (::connect(server, generic(address), sizeof address) == 0 && send_all(server, closing(request))) {
        while (receive(server, response)) {
        }
    }
    ::close(server);
    return response;
}

}  // namespace

TamperingProxy::TamperingProxy(std::uint16_t upstream, Tamper tamper, std::string operation, Tamper tamper_request)
    : upstream_(upstream),
      tamper_(std::move(tamper)),
      operation_(std::move(operation)),
      tamper_request_(std::move(tamper_request)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, generic(address), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw std::runtime_error("the proxy cannot listen on 127.0.0.1");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

TamperingProxy::~TamperingProxy() {
    ::eventfd_write(stop_, 1);
    thread_.join();
    ::close(stop_);
    ::close(listener_);
}

void TamperingProxy::serve() {
    std::array<pollfd, 2> events{{{listener_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    while (::poll(events.data(), events.size(), -1) > 0 && events[1].revents == 0) {
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) {
            answer(client);
            ::close(client);
        }
    }
}

void TamperingProxy::answer(int client) const {
    const std::string request = read_request(client);
    if (request.empty()) {
        return;
    }
    const bool concerned = request.substr(0, request.find("\r\n")).find(operation_) != std::string::npos;
    const std::string response =
        answer_of(upstream_, concerned && tamper_request_ ? tamper_request_(request) : request);
    send_all(client, concerned ? tamper_(response) : response);
}

std::string http_response(const std::string& status, const std::string& content_type, const std::string& body) {
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                       content_type, body.size(), body);
}

std::string body_of(const std::string& response) {
    const std::size_t end = response.find(head_end);
    return end == std::string::npos ? std::string() : response.substr(end + head_end.size());
}

}  // namespace hwenroll::test
