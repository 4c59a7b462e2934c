#include "tests/lab_ca/test_server.h"

#include <arpa/inet.h>
#include <array>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

namespace hwenroll::lab_ca::test {

LabCaOptions default_options(const std::filesystem::path& directory) {
    LabCaOptions options;
    options.directory = directory;
    options.challenge = Secret(as_bytes("lab-secret"));
    return options;
}

HttpRequest post_request(Bytes message) {
    HttpRequest request;
    request.method = "POST";
    request.path = "/scep";
    request.query = "operation=PKIOperation";
    request.headers = {{"Host", "localhost"}, {"Content-Type", "application/x-pki-message"}};
    request.body = std::move(message);
    return request;
}

HttpRequest get_request(const std::string& query) {
    HttpRequest request;
    request.method = "GET";
    request.path = "/scep";
    request.query = query;
    request.headers = {{"Host", "localhost"}, {"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}};
    return request;
}

std::string url_form(ByteView message) {
    std::string out;
    for (const char c : to_base64(message)) {
        out += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
    }
    return out;
}

std::vector<std::string> last_finding_ids(const std::filesystem::path& directory) {
    const std::string text = hwenroll::test::read_file(directory / "lint.jsonl");
    const std::size_t before = text.rfind('\n', text.size() - 2);
    const auto line = nlohmann::json::parse(text.substr(before == std::string::npos ? 0 : before + 1));
    std::vector<std::string> ids;
    for (const auto& finding : line.at("findings")) {
        ids.push_back(finding.at("id").get<std::string>());
    }
    return ids;
}

ServerThread::ServerThread(HttpService& service, HttpLimits limits)
    : server_(HttpServer::listen("127.0.0.1", 0, limits).value()), stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this, &service] { (void)server_.run(service, stop_.get()); });
}

ServerThread::~ServerThread() {
    const eventfd_t one = 1;
    eventfd_write(stop_.get(), one);
    thread_.join();
}

void connect_to(const FileDescriptor& socket, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("cannot connect to the server under test");
    }
}

std::string exchange(std::uint16_t port, std::string_view octets, bool half_close) {
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_to(socket, port);
    return exchange(socket, octets, half_close);
}

std::string exchange(const FileDescriptor& socket, std::string_view octets, bool half_close) {
    while (!octets.empty()) {
        const ssize_t count = send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
        if (count < 0) {
            break;  // the server may refuse before it has read all
        }
        octets.remove_prefix(static_cast<std::size_t>(count));
    }
    if (half_close) {
        shutdown(socket.get(), SHUT_WR);
    }
    std::string reply;
    std::array<char, 4096> buffer{};
    while (true) {
        const ssize_t count = recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (count <= 0) {
            return reply;
        }
        reply.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

}  // namespace hwenroll::lab_ca::test
