#include "agent/hook/hook_service.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "agent/publish/file_names.h"
#include "agent/runtime/hook_run.h"

namespace hwenroll::hook {
namespace {

using std::chrono::milliseconds;

tl::unexpected<Error> refusal(std::string what, std::string why = {}, std::string next = {}) {
    return fail(ErrorCode::hook_refused, std::move(what), std::move(why), std::move(next));
}

std::string error_text(int number) {
    return std::generic_category().message(number);
}

/// The other end is a local process of `user` (SO_PEERCRED is as of its connect(2)).
Status check_peer(int connection, uid_t user) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(connection, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
        return refusal("the connection is no SOCK_SEQPACKET socket");
    }
    ucred peer{};
    size = sizeof peer;
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return refusal("the user behind the connection is not known", error_text(errno));
    }
    if (peer.uid != user) {
        return refusal(fmt::format("user {} may not have hooks run", peer.uid), fmt::format("only user {} may", user));
    }
    return {};
}

/// The identity's settings; an error that says why it has none.
Result<const config::IdentitySettings*> find_identity(const config::Configuration& configuration,
                                                      const std::string& name) {
    const auto found = configuration.identities.find(name);
    if (found != configuration.identities.end()) {
        return &found->second;
    }
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity && finding.name == name) {
            return refusal(fmt::format("identity '{}' is disabled by the configuration", name), finding.error.line());
        }
    }
    return refusal(fmt::format("root's configuration has no identity '{}'", name));
}

}  // namespace

Result<std::uint64_t> current_generation(const std::filesystem::path& publish_dir, const std::string& identity) {
    const auto unreadable = [&](int number) {
        return refusal(fmt::format("nothing is published for '{}' in {}", identity, publish_dir.string()),
                       error_text(number));
    };
    constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    const FileDescriptor parent(::open(publish_dir.c_str(), flags));
    const FileDescriptor directory(parent.valid() ? ::openat(parent.get(), identity.c_str(), flags | O_NOFOLLOW) : -1);
    if (!directory.valid()) {
        return unreadable(errno);
    }
    std::array<char, 64> target{};
    const std::string link(publish::current_link);
    const ssize_t size = ::readlinkat(directory.get(), link.c_str(), target.data(), target.size());
    if (size < 0) {
        return unreadable(errno);
    }
    const auto number = publish::generation_number(std::string_view(target.data(), static_cast<std::size_t>(size)));
    if (!number) {
        return refusal(fmt::format("the link 'current' of '{}' leads to no generation", identity));
    }
    return *number;
}

HookService::HookService(runtime::EventLoop& loop, FileDescriptor connection, HookRules rules,
                         std::function<void(ServiceOutcome)> done)
    : loop_(loop), connection_(std::move(connection)), rules_(std::move(rules)), done_(std::move(done)) {}

std::unique_ptr<HookService> HookService::start(runtime::EventLoop& loop, FileDescriptor connection, HookRules rules,
                                                std::function<void(ServiceOutcome)> done) {
    std::unique_ptr<HookService> service(
        new HookService(loop, std::move(connection), std::move(rules), std::move(done)));
    HookService* const self = service.get();
    if (const Status peer = check_peer(self->connection_.get(), self->rules_.peer); !peer) {
        self->time_watch_ = loop.after(milliseconds(0), [self, error = peer.error()] { self->refuse(error); });
        return service;
    }
    self->packet_watch_ =
        loop.watch_fd(self->connection_.get(), EPOLLIN, [self](std::uint32_t) { self->take_packet(); });
    self->time_watch_ = loop.after(self->rules_.request_time_out,
                                   [self] { self->refuse(Error(ErrorCode::hook_refused, "no request came in time")); });
    return service;
}

Result<std::optional<runtime::HookRequest>> HookService::receive() const {
    std::array<char, runtime::max_hook_request> packet{};
    const ssize_t size = ::recv(connection_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return std::optional<runtime::HookRequest>();
    }
    if (size <= 0) {
        return refusal("the agent has closed the connection");
    }
    const auto length = static_cast<std::size_t>(size);
    if (length > packet.size()) {
        return refusal("the request is too long", fmt::format("{} octets", length));
    }
    const std::string_view text(packet.data(), length);
    auto request = runtime::decode_hook_request(text);
    if (!request) {
        return refusal("the request makes no sense", printable(text, 128));
    }
    return request;
}

void HookService::take_packet() {
    const auto request = receive();
    if (!request) {
        return refuse(request.error());
    }
    if (!*request) {
        return;
    }
    if (sequence_ != nullptr) {
        return refuse(Error(ErrorCode::hook_refused, "a second request came on one connection"));
    }
    if (const Status begun = run(**request); !begun) {
        refuse(begun.error());
    }
}

Status HookService::run(const runtime::HookRequest& request) {
    time_watch_.reset();
    const auto configuration = rules_.load();
    if (!configuration) {
        return fail(configuration.error());
    }
    const auto identity = find_identity(*configuration, request.identity);
    if (!identity) {
        return fail(identity.error());
    }
    const auto& publish_dir = configuration->agent.publish_dir;
    const auto current = current_generation(publish_dir, request.identity);
    if (!current) {
        return fail(current.error());
    }
    if (*current != request.generation) {
        return refusal(
            fmt::format("generation {} of '{}' is not the current one", request.generation, request.identity),
            fmt::format("that is {}", *current));
    }
    sequence_ = runtime::CommandSequence::start(
        loop_, (*identity)->on_change,
        runtime::hook_plan(request.identity, request.generation, publish_dir, rules_.time_out),
        [this](runtime::SequenceOutcome outcome) {
            using runtime::HookVerdict;
            answer(outcome.succeeded() ? HookVerdict::succeeded
                                       : (outcome.timed_out() ? HookVerdict::timed_out : HookVerdict::failed),
                   outcome.text());
            finish({std::nullopt, std::move(outcome)});
        });
    return {};
}

void HookService::answer(runtime::HookVerdict verdict, const std::string& text) {
    // A socket that is closed with something unread makes the other end's recv(2) fail before it sees the answer.
    for (int packets = 0; packets < 16; ++packets) {
        char octet = 0;
        if (::recv(connection_.get(), &octet, 1, MSG_DONTWAIT) <= 0) {
            break;
        }
    }
    const std::string packet = encode(runtime::HookAnswer{verdict, text});
    // Whoever has gone away needs no answer.
    static_cast<void>(::send(connection_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0);
}

void HookService::refuse(const Error& error) {
    sequence_.reset();
    answer(runtime::HookVerdict::refused, error.line());
    finish({error, std::nullopt});
}

void HookService::finish(ServiceOutcome outcome) {
    packet_watch_.reset();
    time_watch_.reset();
    connection_.reset();
    const auto done = std::exchange(done_, nullptr);
    done(std::move(outcome));
}

}  // namespace hwenroll::hook
