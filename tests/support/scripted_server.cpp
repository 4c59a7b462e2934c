#include "tests/support/scripted_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::test {
namespace {

/// The Content-Length of a request head; 0 when it has none.
std::size_t body_size(std::string_view head) {
    constexpr std::string_view name = "\r\ncontent-length:";
    for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
        if (head.size() - at >= name.size() && strncasecmp(head.data() + at, name.data(), name.size()) == 0) {
            return std::stoul(std::string(head.substr(at + name.size())));
        }
    }
    return 0;
}

}  // namespace

Step receive() {
    return {Step::Kind::receive};
}
Step send(std::string octets) {
    return {Step::Kind::send, std::move(octets)};
}
Step send_endlessly(std::string octets) {
    return {Step::Kind::send_endlessly, std::move(octets)};
}
Step drip(std::string octets, std::chrono::milliseconds interval) {
    return {Step::Kind::drip, std::move(octets), interval};
}
Step pause(std::chrono::milliseconds interval) {
    return {Step::Kind::pause, {}, interval};
}
Step await_requests(std::size_t count) {
    return {Step::Kind::await_requests, {}, {}, count};
}
Step await_close() {
    return {Step::Kind::await_close};
}
Step reset() {
    return {Step::Kind::reset};
}

/// One accepted socket. Every wait ends when the server does; then and when the client is gone, a step says false.
class ScriptedServer::Connection {
 public:
    Connection(ScriptedServer& server, int socket) : server_(server), socket_(socket) {}
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { close(socket_); }

    void play(const Script& script) {
        for (const Step& step : script) {
            if (!play(step)) {
                return;
            }
        }
    }

 private:
    bool play(const Step& step) {
        switch (step.kind) {
            case Step::Kind::receive:
                return receive_request();
            case Step::Kind::send:
                return write_all(step.octets);
            case Step::Kind::send_endlessly:
                while (write_all(step.octets)) {
                }
                return false;
            case Step::Kind::drip:
                for (std::size_t i = 0; write_all(step.octets.substr(i % step.octets.size(), 1)); ++i) {
                    if (!ready(0, step.interval)) {
                        return false;
                    }
                }
                return false;
            case Step::Kind::pause:
                return ready(0, step.interval);
            case Step::Kind::await_requests:
                return server_.await_recorded(step.count);
            case Step::Kind::await_close:
                while (read_more()) {
                }
                return false;
            case Step::Kind::reset:
                break;
        }
        const linger at_once{1, 0};
        setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return false;
    }

    /// Waits for `events` on the socket, or with none for `limit` to pass.
    bool ready(short events, std::optional<std::chrono::milliseconds> limit = std::nullopt) const {
        std::array<pollfd, 2> entries{pollfd{server_.stop_, POLLIN, 0}, pollfd{socket_, events, 0}};
        const nfds_t count = events == 0 ? 1 : 2;
        poll(entries.data(), count, limit ? static_cast<int>(limit->count()) : -1);
        return entries[0].revents == 0;
    }

    bool read_more() {
        std::array<char, 4096> chunk{};
        if (!ready(POLLIN)) {
            return false;
        }
        const ssize_t size = recv(socket_, chunk.data(), chunk.size(), 0);
        input_.append(chunk.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return size > 0;
    }

    bool receive_request() {
        std::size_t head = 0;
        while ((head = input_.find("\r\n\r\n")) == std::string::npos) {
            if (!read_more()) {
                return false;
            }
        }
        const std::size_t whole = head + 4 + body_size(input_.substr(0, head));
        while (input_.size() < whole) {
            if (!read_more()) {
                return false;
            }
        }
        server_.record(input_.substr(0, whole));
        input_.erase(0, whole);
        return true;
    }

    bool write_all(std::string_view octets) const {
        while (!octets.empty()) {
            if (!ready(POLLOUT)) {
                return false;
            }
            const ssize_t size = ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0) {
                return false;
            }
            octets.remove_prefix(static_cast<std::size_t>(size));
        }
        return true;
    }

    ScriptedServer& server_;
    int socket_;
    std::string input_;
};

ScriptedServer::ScriptedServer(std::vector<Script> scripts, std::uint32_t address_of_server)
    : address_(address_of_server), scripts_(std::move(scripts)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stop_ = eventfd(0, EFD_CLOEXEC);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(address_);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (scripts_.empty() || stop_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, 64) != 0 ||
        getsockname(listener_, generic, &size) != 0) {
        throw std::runtime_error("cannot listen on the loopback interface");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    recorded_.notify_all();
    eventfd_write(stop_, 1);
    acceptor_.join();
    for (std::thread& player : players_) {
        player.join();
    }
    close(listener_);
    close(stop_);
}

void ScriptedServer::accept_all() {
    for (;;) {
        std::array<pollfd, 2> entries{pollfd{stop_, POLLIN, 0}, pollfd{listener_, POLLIN, 0}};
        poll(entries.data(), entries.size(), -1);
        if (entries[0].revents != 0) {
            return;
        }
        const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) {
            continue;
        }
        const std::lock_guard lock(mutex_);
        const Script& script = scripts_[std::min(connections_, scripts_.size() - 1)];
        ++connections_;
        players_.emplace_back([this, accepted, &script] { Connection(*this, accepted).play(script); });
    }
}

std::string ScriptedServer::url(std::string_view path) const {
    return fmt::format("http://127.0.0.{}:{}{}", address_ & 0xFFU, port_, path);
}

std::vector<std::string> ScriptedServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t ScriptedServer::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

void ScriptedServer::record(std::string request) {
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
    }
    recorded_.notify_all();
}

bool ScriptedServer::await_recorded(std::size_t count) {
    std::unique_lock lock(mutex_);
    recorded_.wait(lock, [&] { return stopping_ || requests_.size() >= count; });
    return !stopping_;
}

}  // namespace hwenroll::test
