#include "tests/support/child_process.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hwenroll::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int remaining(steady_clock::time_point until) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 3'600'000));
}

int anonymous_file(const std::string& contents = {}) {
    const int file = memfd_create("child", MFD_CLOEXEC);
    if (file < 0 || write(file, contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()) ||
        lseek(file, 0, SEEK_SET) != 0) {
        throw std::runtime_error("cannot make an anonymous file");
    }
    return file;
}

std::string contents_of(int file) {
    std::string text;
    std::array<char, 8192> part{};
    for (;;) {
        const ssize_t got = pread(file, part.data(), part.size(), static_cast<off_t>(text.size()));
        if (got <= 0) {
            return text;
        }
        text.append(part.data(), static_cast<std::size_t>(got));
    }
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
    std::vector<std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string variable(*entry);
        const std::string name = variable.substr(0, variable.find('='));
        if (std::none_of(changes.begin(), changes.end(),
                         [&](const std::string& change) { return change.substr(0, change.find('=')) == name; })) {
            variables.push_back(variable);
        }
    }
    std::copy_if(changes.begin(), changes.end(), std::back_inserter(variables),
                 [](const std::string& change) { return change.find('=') != std::string::npos; });
    return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

/// posix_spawn with the three standard descriptors replaced and all others closed; an errno.
int spawn(pid_t& pid, std::vector<std::string>& arguments, const ChildOptions& options,
          const std::array<int, 3>& standard) {
    std::vector<std::string> environment = environment_with(options.environment);
    posix_spawn_file_actions_t actions{};
    posix_spawn_file_actions_init(&actions);
    for (int target = 0; target < 3; ++target) {
        posix_spawn_file_actions_adddup2(&actions, standard.at(static_cast<std::size_t>(target)), target);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!options.directory.empty()) {
        posix_spawn_file_actions_addchdir_np(&actions, options.directory.c_str());
    }
    const int error = posix_spawnp(&pid, arguments.at(0).c_str(), &actions, nullptr, pointers_to(arguments).data(),
                                   pointers_to(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> arguments, const ChildOptions& options)
    : out_(anonymous_file()), err_(anonymous_file()) {
    const int input = anonymous_file(options.input);
    const int error = spawn(pid_, arguments, options, {input, out_, err_});
    close(input);
    if (error != 0) {
        close(out_);
        close(err_);
        throw std::runtime_error("cannot start " + arguments.at(0) + ": " + std::strerror(error));
    }
    ended_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
}

ChildProcess::~ChildProcess() {
    if (!exit_) {
        kill(SIGKILL);
        int status = 0;
        waitpid(pid_, &status, 0);
    }
    for (const int descriptor : {ended_, out_, err_}) {
        close(descriptor);
    }
}

std::optional<ChildExit> ChildProcess::wait(milliseconds timeout) {
    const auto until = steady_clock::now() + timeout;
    while (!exit_) {
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == pid_) {
            exit_ = WIFSIGNALED(status) ? ChildExit{-1, WTERMSIG(status)} : ChildExit{WEXITSTATUS(status), 0};
            break;
        }
        const int left = remaining(until);
        if (left == 0) {
            return std::nullopt;
        }
        pollfd ended{ended_, POLLIN, 0};
        poll(&ended, 1, ended_ < 0 ? std::min(left, 10) : left);
    }
    return exit_;
}

void ChildProcess::kill(int number) const {
    if (!exit_) {
        ::kill(pid_, number);
    }
}

std::string ChildProcess::out() const {
    return contents_of(out_);
}

std::string ChildProcess::err() const {
    return contents_of(err_);
}

RunResult run(std::vector<std::string> arguments, const ChildOptions& options, milliseconds timeout) {
    ChildProcess child(std::move(arguments), options);
    auto ended = child.wait(timeout);
    const bool timed_out = !ended;
    if (!ended) {
        child.kill(SIGKILL);
        ended = child.wait(std::chrono::seconds(10));
    }
    const ChildExit how = ended.value_or(ChildExit{});
    return {how.exit_code, how.signal, timed_out, child.out(), child.err()};
}

bool wait_until_listening(std::uint16_t port, milliseconds timeout) {
    const auto until = steady_clock::now() + timeout;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {
        const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool up = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        close(probe);
        if (up || remaining(until) == 0) {
            return up;
        }
        poll(nullptr, 0, std::min(10, remaining(until)));
    }
}

}  // namespace hwenroll::test
