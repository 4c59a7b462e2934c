#include "agent/cli/terminal.h"

#include <cerrno>
#include <cstdio>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

namespace hwenroll::cli {
namespace {

constexpr std::size_t longest_line = 1024;
constexpr char interrupt = 0x03;
constexpr char end_of_text = 0x04;
constexpr char backspace = 0x08;
constexpr char erase = 0x7F;

/// Without echo, signals by keys and the terminal's own line, which would wait for Enter after Ctrl-C.
class Silence {
 public:
    Silence() {
        known_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (known_) {
            termios silent = before_;
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
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
        }
    }
    [[nodiscard]] bool works() const { return known_; }

 private:
    termios before_{};
    bool known_ = false;
};

/// Octets up to the end of a line, read one by one, so that what follows stays for the next reader. Nothing at the end
/// of the input, and for a line that is too long. `keys`: they come from a Silence, as they are pressed.
std::optional<Bytes> read_line(bool keys = false) {
    Bytes line;
    line.reserve(longest_line);
    for (;;) {
        char octet = 0;
        const ssize_t size = ::read(STDIN_FILENO, &octet, 1);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        const bool ended = size <= 0 || (keys && (octet == interrupt || octet == end_of_text));
        if (keys && !ended && (octet == backspace || octet == erase)) {
            if (!line.empty()) {
                line.pop_back();
            }
            continue;
        }
        if (octet == '\n' && !ended) {
            break;
        }
        if ((ended && (line.empty() || size > 0)) || line.size() == longest_line) {
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
    auto line = read_line(true);
    show("\n");
    if (!line) {
        return fail(ErrorCode::interrupted, "the input ended");
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
