#include "tests/support/virtual_card.h"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/support/required_tokens.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;

constexpr auto daemon_program = "/usr/sbin/pcscd";
constexpr auto driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
constexpr auto socket_variable = "PCSCLITE_CSOCK_NAME";
constexpr auto opensc_variable = "OPENSC_CONF";

/// One octet commands of the virtual reader to the card (vsmartcard's vpcd).
enum Control : std::uint8_t { power_off = 0, power_on = 1, reset = 2, get_atr = 4 };

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool binds(int socket, std::uint16_t port) {
    const sockaddr_in address = loopback(port);
    return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

/// The driver listens on a port for each of its two slots: two free ones in a row, the first of them.
std::uint16_t free_port_pair() {
    for (int i = 0; i < 100; ++i) {
        const FileDescriptor first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const FileDescriptor second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        socklen_t size = sizeof address;
        if (binds(first.get(), 0) && ::getsockname(first.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
            binds(second.get(), static_cast<std::uint16_t>(ntohs(address.sin_port) + 1))) {
            return ntohs(address.sin_port);
        }
    }
    throw std::runtime_error("no two free ports in a row for the virtual card reader");
}

/// The reader sends a message's length and the rest apart, and the rest only once the length is acknowledged.
bool receive_all(int socket, std::span<std::uint8_t> into) {
    const int at_once = 1;
    while (!into.empty()) {
        ::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
        const ssize_t got = ::recv(socket, into.data(), into.size(), 0);
        if (got <= 0) {
            return false;
        }
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

bool send_answer(int socket, ByteView answer) {
    Bytes message{static_cast<std::uint8_t>(answer.size() >> 8), static_cast<std::uint8_t>(answer.size() & 0xFF)};
    message.insert(message.end(), answer.begin(), answer.end());
    return ::send(socket, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

/// A mount namespace, of a user namespace where that is needed to have one.
std::vector<std::string> in_own_mounts() {
    std::vector<std::string> line{"unshare", "--mount", "--propagation", "private"};
    if (::geteuid() != 0) {
        line.emplace_back("--map-root-user");
    }
    return line;
}

}  // namespace

std::optional<std::string> CardReader::missing() {
    if (auto package =
            missing_package({{daemon_program, "pcscd"}, {driver, "vsmartcard-vpcd"}, {module(), "opensc-pkcs11"}})) {
        return package;
    }
    std::vector<std::string> line = in_own_mounts();
    line.emplace_back("true");
    if (const RunResult tried = run(std::move(line)); tried.exit_code != 0) {
        return "no mount namespace of our own here: " + tried.err;
    }
    return std::nullopt;
}

/// Debian keeps it in the directory of its architecture.
std::string CardReader::module() {
    const std::string name = "opensc-pkcs11.so";
    for (const auto& directory : std::filesystem::directory_iterator("/usr/lib")) {
        if (std::filesystem::exists(directory.path() / name)) {
            return directory.path() / name;
        }
    }
    return "/usr/lib/" + name;
}

CardReader::CardReader() : port_(free_port_pair()) {
    std::filesystem::create_directory(directory_ / "run");
    std::filesystem::create_directory(directory_ / "usb");
    std::filesystem::create_directory(directory_ / "readers");
    write_file(directory_ / "readers" / "vpcd", fmt::format("FRIENDLYNAME \"hwenroll test reader\"\n"
                                                            "DEVICENAME /dev/null:{0:#x}\n"
                                                            "LIBPATH {1}\n"
                                                            "CHANNELID {0:#x}\n",
                                                            port_, driver));
    write_file(directory_ / "opensc.conf", "app default {\n    framework pkcs15 { use_file_caching = no; }\n}\n");
    start_daemon();
    ::setenv(socket_variable, (directory_ / "run" / "pcscd" / "pcscd.comm").c_str(), 1);
    ::setenv(opensc_variable, (directory_ / "opensc.conf").c_str(), 1);
}

CardReader::~CardReader() {
    remove();
    ::unsetenv(socket_variable);
    ::unsetenv(opensc_variable);
}

void CardReader::start_daemon() {
    std::vector<std::string> line = in_own_mounts();
    line.insert(
        line.end(),
        {"sh", "-c", "mount --bind \"$1\" /run && mkdir -p /run/pcscd && exec \"$2\" --foreground --config \"$3\"",
         "sh", (directory_ / "run").string(), daemon_program, (directory_ / "readers").string()});
    daemon_ = std::make_unique<ChildProcess>(
        std::move(line), ChildOptions{{"PCSCLITE_HP_DROPDIR=" + (directory_ / "usb").string()}, {}, {}});
    const auto socket = directory_ / "run" / "pcscd" / "pcscd.comm";
    while (!std::filesystem::exists(socket)) {
        // The socket appears when the daemon listens; one that ended would never make it.
        if (daemon_->wait(10ms)) {
            throw std::runtime_error("pcscd ended: " + daemon_->out() + daemon_->err());
        }
    }
}

/// A card that comes back while the daemon has not yet seen it leave is taken for one that never left and gets no
/// power: it is put in once more, as a person would do.
void CardReader::insert(PivCard& card) {
    for (int tries = 0; tries < 10; ++tries) {
        remove();
        connect(card);
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, 2s, [this] { return powered_; })) {
            return;
        }
    }
    throw std::runtime_error("the virtual card reader does not see the card: " + daemon_->out());
}

void CardReader::connect(PivCard& card) {
    line_ = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port_);
    if (::connect(line_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw std::runtime_error("the virtual card reader does not listen: " + daemon_->out() + daemon_->err());
    }
    card.reset();
    note(true, false);
    card_ = std::thread([this, &card, socket = line_.get()] { serve(card, socket); });
}

void CardReader::remove() {
    if (card_.joinable()) {
        ::shutdown(line_.get(), SHUT_RDWR);
        card_.join();
    }
    line_.reset();
}

bool CardReader::occupied() const {
    const std::lock_guard lock(mutex_);
    return occupied_;
}

void CardReader::note(bool occupied, bool powered) {
    {
        const std::lock_guard lock(mutex_);
        occupied_ = occupied;
        powered_ = powered;
    }
    changed_.notify_all();
}

void CardReader::serve(PivCard& card, int socket) {
    while (answer_one(card, socket)) {
    }
    ::shutdown(socket, SHUT_RDWR);
    note(false, false);
}

bool CardReader::answer_one(PivCard& card, int socket) {
    std::array<std::uint8_t, 2> head{};
    if (!receive_all(socket, head)) {
        return false;
    }
    Bytes message(static_cast<std::size_t>(head[0]) << 8 | head[1]);
    if (!receive_all(socket, message)) {
        return false;
    }
    if (message.size() != 1) {
        const auto answer = card.answer(message);
        return answer && send_answer(socket, *answer);
    }
    if (message[0] == get_atr) {
        return send_answer(socket, card.answer_to_reset());
    }
    card.reset();
    note(true, message[0] != power_off);
    return true;
}

}  // namespace hwenroll::test
