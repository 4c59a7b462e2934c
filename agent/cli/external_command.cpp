#include "agent/cli/external_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace hwenroll::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Started {
    pid_t process = -1;
    FileDescriptor output;
    int error = 0;
};

Started start(const std::vector<std::string>& arguments) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
        return {-1, {}, errno};
    }
    FileDescriptor output(pipe[0]);
    const FileDescriptor input(pipe[1]);
    std::vector<char*> line;
    for (const std::string& argument : arguments) {
        line.push_back(const_cast<char*>(argument.c_str()));
    }
    line.push_back(nullptr);
    std::string locale = "LC_ALL=C";
    std::array<char*, 2> environment{locale.data(), nullptr};
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDERR_FILENO);
    pid_t process = -1;
    const int error = ::posix_spawn(&process, line.front(), &actions, nullptr, line.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    return {error == 0 ? process : -1, std::move(output), error};
}

/// False: the time is over.
bool wait_for(int descriptor, SteadyClock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now()).count();
    pollfd entry{descriptor, POLLIN, 0};
    return left > 0 && ::poll(&entry, 1, static_cast<int>(left)) != 0;
}

}  // namespace

std::string output_of(const std::vector<std::string>& arguments, std::size_t limit, std::chrono::milliseconds time) {
    Started started = start(arguments);
    if (started.process < 0) {
        return "(" + arguments.front() + ": " + std::generic_category().message(started.error) + ")\n";
    }
    const auto end = SteadyClock::now() + time;
    std::string text;
    std::string remark;
    for (;;) {
        if (text.size() >= limit) {
            remark = "(cut here)\n";
            break;
        }
        if (!wait_for(started.output.get(), end)) {
            remark = "(it took too long)\n";
            break;
        }
        std::array<char, 16'384> buffer{};
        const ssize_t size = ::read(started.output.get(), buffer.data(), std::min(buffer.size(), limit - text.size()));
        if (size > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(size));
        } else if (size == 0 || errno != EINTR) {
            break;
        }
    }
    ::kill(started.process, SIGKILL);
    while (::waitpid(started.process, nullptr, 0) < 0 && errno == EINTR) {
    }
    return text + remark;
}

}  // namespace hwenroll::cli
