#include "tests/e2e/terminal_session.h"

#include <array>
#include <chrono>
#include <csignal>
#include <poll.h>
#include <pty.h>
#include <stdexcept>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace hwenroll::test {
namespace {

constexpr std::chrono::seconds patience{30};

}  // namespace

TerminalSession::TerminalSession(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    int terminal = -1;
    child_ = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child_ < 0) {
        throw std::runtime_error("no pseudo-terminal");
    }
    if (child_ == 0) {
        ::execvp(argv.front(), argv.data());
        ::_exit(127);
    }
    terminal_ = FileDescriptor(terminal);
}

TerminalSession::~TerminalSession() {
    if (child_ > 0) {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
}

bool TerminalSession::read_more() {
    pollfd entry{terminal_.get(), POLLIN, 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    silent_ = ::poll(&entry, 1, static_cast<int>(limit.count())) <= 0;
    if (silent_) {
        return false;
    }
    std::array<char, 4096> buffer{};
    const ssize_t size = ::read(terminal_.get(), buffer.data(), buffer.size());
    if (size <= 0) {
        return false;  // EIO: the other side is closed
    }
    screen_.append(buffer.data(), static_cast<std::size_t>(size));
    return true;
}

bool TerminalSession::shows(std::string_view text) {
    for (;;) {
        if (const auto at = screen_.find(text, seen_); at != std::string::npos) {
            seen_ = at + text.size();
            return true;
        }
        if (!read_more()) {
            return false;
        }
    }
}

void TerminalSession::type(std::string_view line) {
    const std::string typed = std::string(line) + "\n";
    static_cast<void>(::write(terminal_.get(), typed.data(), typed.size()) > 0);
}

void TerminalSession::press(char key) {
    static_cast<void>(::write(terminal_.get(), &key, 1) > 0);
}

bool TerminalSession::echoes() const {
    termios settings{};
    if (::tcgetattr(terminal_.get(), &settings) != 0) {
        throw std::runtime_error("the terminal does not say how it is set");
    }
    return (settings.c_lflag & ECHO) != 0;
}

void TerminalSession::signal(int number) const {
    ::kill(child_, number);
}

int TerminalSession::end() {
    while (read_more()) {
    }
    int status = 0;
    if (silent_) {
        ::kill(child_, SIGKILL);
    }
    if (::waitpid(child_, &status, 0) != child_) {
        return -1;
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : WIFSIGNALED(status) ? -WTERMSIG(status) : -1;
}

}  // namespace hwenroll::test
