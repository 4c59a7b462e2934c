#include "agent/cli/terminal.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <termios.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::cli {
namespace {

constexpr std::size_t longest_line = 1024;
constexpr char interrupt = 0x03;
constexpr char end_of_text = 0x04;
constexpr char backspace = 0x08;
constexpr char erase = 0x7F;
constexpr char kill_line = 0x15;

/// Without echo, signals by keys and the terminal's own line, which would wait for Enter after Ctrl-C. A signal that
/// ends the process restores the terminal first. At most one at a time.
class Silence {
 public:
    Silence() {
        known_ = ::tcgetattr(STDIN_FILENO, &before) == 0;
        if (known_) {
            catch_signals();
            termios silent = before;
            silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG | ICANON);
            silent.c_cc[VMIN] = 1;
            silent.c_cc[VTIME] = 0;
            known_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
        }
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;
    ~Silence() {
        if (known_) {
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
            for (std::size_t i = 0; i < ending.size(); ++i) {
                ::sigaction(ending[i], &actions_[i], nullptr);
            }
            ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
        }
    }
    [[nodiscard]] bool works() const { return known_; }

 private:
    static constexpr std::array ending{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    /// POSIX.1-2017 §2.4.3: tcsetattr() and raise() may be called from a handler.
    static void restore(int signal) {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        ::raise(signal);  // SA_RESETHAND: it ends the process when this returns
    }

    void catch_signals() {
        struct sigaction action {};
        action.sa_handler = restore;
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        for (std::size_t i = 0; i < ending.size(); ++i) {
            ::sigaction(ending[i], nullptr, &actions_[i]);
            if (actions_[i].sa_handler != SIG_IGN) {
                ::sigaction(ending[i], &action, nullptr);
            }
        }
        // An event loop that has asked a CA or a token before leaves some of them to its descriptor.
        sigset_t all;
        sigemptyset(&all);
        for (const int signal : ending) {
            sigaddset(&all, signal);
        }
        ::pthread_sigmask(SIG_UNBLOCK, &all, &mask_);
    }

    static inline termios before{};
    std::array<struct sigaction, ending.size()> actions_{};
    sigset_t mask_{};
    bool known_ = false;
};

/// Octets up to the end of a line, read one by one, so that what follows stays for the next reader. Nothing at the end
/// of the input, and for a line that is too long.
std::optional<Bytes> read_line() {
    Bytes line;
    line.reserve(longest_line);
    for (;;) {
        char octet = 0;
        const ssize_t size = ::read(STDIN_FILENO, &octet, 1);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        const bool ended = size <= 0;
        if (octet == '\n' && !ended) {
            break;
        }
        if ((ended && line.empty()) || line.size() == longest_line) {
            wipe(line);
            return std::nullopt;
        }
        if (ended) {
            break;
        }
        line.push_back(static_cast<std::uint8_t>(octet));
    }
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
    }
    return line;
}

/// The same from a Silence, as the keys are pressed. What the terminal would have made of them is made here; what else
/// is no character of a secret does not silently become one.
Result<Bytes> read_keys() {
    Bytes line;
    line.reserve(longest_line);
    const auto refuse = [&](Error error) {
        wipe(line);
        return fail(std::move(error));
    };
    for (;;) {
        char octet = 0;
        const ssize_t size = ::read(STDIN_FILENO, &octet, 1);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0 || octet == interrupt || octet == end_of_text) {
            return refuse(Error(ErrorCode::interrupted, "the input ended"));
        }
        if (octet == '\n' || octet == '\r') {
            return line;
        }
        if (octet == backspace || octet == erase) {
            if (!line.empty()) {
                line.pop_back();
            }
        } else if (octet == kill_line) {
            wipe(line);
            line.clear();
        } else if (static_cast<unsigned char>(octet) < ' ') {
            return refuse(Error(ErrorCode::usage, "a key was pressed that is no character",
                                "arrow keys, Tab and Ctrl with a letter are none; nothing of what was typed is used",
                                "type it again: Backspace takes the last character back, Ctrl-U all of them"));
        } else if (line.size() == longest_line) {
            return refuse(Error(ErrorCode::usage, "what was typed is too long",
                                fmt::format("at most {} characters are expected", longest_line)));
        } else {
            line.push_back(static_cast<std::uint8_t>(octet));
        }
    }
}

void show(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace

bool is_interactive() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

std::optional<std::string> ask(const std::string& question) {
    show(question + " ");
    const auto line = read_line();
    if (!line) {
        show("\n");
        return std::nullopt;
    }
    std::string text(line->begin(), line->end());
    text.erase(text.find_last_not_of(" \t") + 1);
    text.erase(0, text.find_first_not_of(" \t"));
    return text;
}

Result<Secret> ask_secret(const std::string& question) {
    const Silence silence;  // before the question: who is quick is not seen either
    if (!silence.works()) {
        return fail(ErrorCode::interrupted, "the terminal cannot be silenced, so nothing secret is asked for");
    }
    show(question + " ");
    auto line = read_keys();
    show("\n");
    if (!line) {
        return fail(std::move(line.error()));
    }
    return Secret(*std::move(line));
}

Result<Secret> read_secret_line(const std::string& what) {
    auto line = read_line();
    if (!line || line->empty()) {
        return fail(ErrorCode::input_file, fmt::format("there is no {} on standard input", what),
                    fmt::format("a line of 1 to {} characters is expected", longest_line));
    }
    return Secret(*std::move(line));
}

}  // namespace hwenroll::cli
