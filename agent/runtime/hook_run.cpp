#include "agent/runtime/hook_run.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/publish/file_names.h"
#include "agent/runtime/hook_protocol.h"

namespace hwenroll::runtime {
namespace {

using std::chrono::milliseconds;

/// hwenroll-hook ends its programs at the same time-out and has to be started before: only its silence is waited for
/// this much longer. Longer than RuntimeMaxSec of its unit allows for.
constexpr milliseconds answer_margin{40'000};

std::string error_text(int number) {
    return std::generic_category().message(number);
}

/// Connects to `path`; an errno when it cannot.
int connect_to(const std::filesystem::path& path, FileDescriptor& connection) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    if (name.size() >= sizeof address.sun_path) {
        return ENAMETOOLONG;
    }
    std::memcpy(&address.sun_path[0], name.c_str(), name.size() + 1);
    connection = FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!connection.valid()) {
        return errno;
    }
    // A Unix socket connects at once or not at all (EAGAIN: its queue is full).
    return ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

}  // namespace

Error HookOutcome::error(const std::string& identity) const {
    return Error(unavailable ? ErrorCode::hook_unavailable : ErrorCode::hook_failed,
                 unavailable ? "the hooks of 'on_change' could not be run" : "a hook of 'on_change' failed", text)
        .about(identity);
}

bool hook_service_needed() {
    const char* const started = std::getenv("SYSTEMD_EXEC_PID");
    return started != nullptr && std::to_string(::getpid()) == started && ::geteuid() != 0;
}

CommandPlan hook_plan(const std::string& identity, std::uint64_t generation, const std::filesystem::path& publish_dir,
                      milliseconds time_out) {
    CommandPlan plan;
    plan.environment = environment_of({.identity = identity,
                                       .generation = std::to_string(generation),
                                       .path = (publish_dir / identity / publish::generation_name(generation)).string(),
                                       .reason = "change"});
    plan.time_out = time_out;
    return plan;
}

std::unique_ptr<HookRun> HookRun::start(EventLoop& loop, const HookPlace& place, HookTask task,
                                        std::function<void(HookOutcome)> done) {
    std::unique_ptr<HookRun> run(new HookRun(loop, std::move(done)));
    std::error_code ignored;
    const bool served = std::filesystem::exists(std::filesystem::symlink_status(place.socket, ignored));
    if (task.commands.empty() || (!served && !place.service_needed)) {
        run->run_here(place, std::move(task));
    } else if (served) {
        run->ask(place, task);
    } else {
        run->unavailable(
            fmt::format("{} is not there: systemctl enable --now hwenroll-hook.socket", place.socket.string()));
    }
    return run;
}

void HookRun::run_here(const HookPlace& place, HookTask task) {
    CommandPlan plan = hook_plan(task.identity, task.generation, task.publish_dir, place.time_out);
    sequence_ = CommandSequence::start(
        loop_, std::move(task.commands), std::move(plan), [this](const SequenceOutcome& outcome) {
            finish({outcome.succeeded(), outcome.text(), outcome.timed_out(), false, outcome.output()});
        });
}

void HookRun::ask(const HookPlace& place, const HookTask& task) {
    if (const int error = connect_to(place.socket, connection_); error != 0) {
        return unavailable(fmt::format("cannot connect to {}: {}", place.socket.string(), error_text(error)));
    }
    const std::string request = encode(HookRequest{task.identity, task.generation});
    if (::send(connection_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
        return unavailable(fmt::format("cannot write to {}: {}", place.socket.string(), error_text(errno)));
    }
    answer_watch_ = loop_.watch_fd(connection_.get(), EPOLLIN, [this](std::uint32_t) { take_answer(); });
    time_watch_ = loop_.after(place.time_out + answer_margin, [this] {
        finish({false, "hwenroll-hook did not answer in time", true, true, {}});
    });
}

void HookRun::take_answer() {
    std::array<char, max_hook_answer> packet{};
    const ssize_t size = ::recv(connection_.get(), packet.data(), packet.size(), MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0) {
        return finish({false, "hwenroll-hook ended without an answer", false, true, {}});
    }
    const auto length = static_cast<std::size_t>(size);
    const auto answer =
        length > packet.size() ? std::nullopt : decode_hook_answer(std::string_view(packet.data(), length));
    if (!answer) {
        return finish({false, "hwenroll-hook gave an answer that makes no sense", false, true, {}});
    }
    finish({answer->verdict == HookVerdict::succeeded,
            answer->text,
            answer->verdict == HookVerdict::timed_out,
            answer->verdict == HookVerdict::refused,
            {}});
}

void HookRun::unavailable(const std::string& why) {
    time_watch_ = loop_.after(milliseconds(0), [this, why] { finish({false, why, false, true, {}}); });
}

void HookRun::finish(HookOutcome outcome) {
    answer_watch_.reset();
    time_watch_.reset();
    connection_.reset();
    const auto done = std::exchange(done_, nullptr);
    done(std::move(outcome));
}

}  // namespace hwenroll::runtime
