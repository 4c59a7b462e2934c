#include "tests/support/token_service.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

int listening_socket(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) {
        throw std::runtime_error("path too long: " + path.string());
    }
    path.native().copy(address.sun_path, path.native().size());
    const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(descriptor, 16) != 0) {
        throw std::runtime_error(path.string() + ": " + std::strerror(errno));
    }
    return descriptor;
}

template <class Number>
std::vector<Number> numbers_in(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<Number> numbers;
    for (Number number{}; in >> number;) {
        numbers.push_back(number);
    }
    return numbers;
}

void note(const std::filesystem::path& file, long number) {
    std::ofstream(file, std::ios::app) << number << '\n';
}

[[noreturn]] void become_worker(int listening, const std::vector<std::string>& environment) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const std::string& variable : environment) {
        const std::size_t equals = variable.find('=');
        setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", "1", 1);
    if (listening == 3) {
        fcntl(3, F_SETFD, 0);
    } else {
        dup2(listening, 3);
    }
    const std::string program_path = program("hwenroll-token");
    const std::string user = std::to_string(geteuid());
    execl(program_path.c_str(), program_path.c_str(), "--user", user.c_str(), nullptr);
    _exit(127);
}

}  // namespace

TokenService::TokenService(const std::filesystem::path& socket, const std::vector<std::string>& environment)
    : socket_(socket), workers_(socket.string() + ".workers"), ends_(socket.string() + ".ends") {
    std::filesystem::create_directories(socket.parent_path());
    const int listening = listening_socket(socket);
    const pid_t test = getpid();
    manager_ = fork();
    if (manager_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == test) {
            pollfd wait{listening, POLLIN, 0};
            if (poll(&wait, 1, -1) <= 0) {
                continue;
            }
            const pid_t worker = fork();
            if (worker == 0) {
                become_worker(listening, environment);
            }
            note(workers_, worker);
            int status = 0;
            waitpid(worker, &status, 0);
            note(ends_, status);
        }
        _exit(0);
    }
    close(listening);
    if (manager_ < 0) {
        throw std::runtime_error("fork failed");
    }
}

TokenService::~TokenService() {
    stop();
}

void TokenService::stop() {
    if (manager_ > 0) {
        kill(manager_, SIGKILL);
        waitpid(manager_, nullptr, 0);
        manager_ = -1;
    }
}

std::vector<pid_t> TokenService::workers() const {
    return numbers_in<pid_t>(workers_);
}

std::vector<int> TokenService::ends() const {
    return numbers_in<int>(ends_);
}

}  // namespace hwenroll::test
