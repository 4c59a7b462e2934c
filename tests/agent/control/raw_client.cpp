#include "tests/agent/control/raw_client.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>

namespace hwenroll::test {

RawClient::RawClient(const std::filesystem::path& path)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
}

std::size_t RawClient::send(std::string_view octets) {
    const ssize_t size = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
}

void RawClient::call(std::string_view method, nlohmann::json parameters, bool more) {
    nlohmann::json message{{"method", "io.hwenroll.Agent." + std::string(method)},
                           {"parameters", std::move(parameters)}};
    if (more) {
        message["more"] = true;
    }
    std::string text = message.dump();
    text.push_back('\0');
    send(text);
}

void RawClient::receive() {
    std::array<char, 65'536> buffer{};
    ssize_t size = 0;
    while ((size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0)) > 0) {
        input_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    ended_ = ended_ || size == 0 || (errno != EAGAIN && errno != EINTR);
}

std::optional<nlohmann::json> RawClient::frame() {
    receive();
    const auto end = input_.find('\0');
    if (end == std::string::npos) {
        return std::nullopt;
    }
    auto value = nlohmann::json::parse(input_.substr(0, end));
    input_.erase(0, end + 1);
    return value;
}

bool RawClient::ended() {
    receive();
    return ended_ && input_.empty();
}

void RawClient::finish() const {
    ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace hwenroll::test
