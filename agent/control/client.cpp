#include "agent/control/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "agent/control/identity_view.h"
#include "agent/control/key_test_codec.h"
#include "agent/control/listener.h"
#include "agent/control/message.h"
#include "agent/control/overview_text.h"
#include "agent/control/view_codec.h"

namespace hwenroll::control {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

/// Status of ten thousand identities stays far below it.
constexpr std::size_t max_reply = 64U << 20U;

std::string seconds_text(milliseconds time) {
    return fmt::format("{} s", static_cast<double>(time.count()) / 1000);
}

Call call_of(std::string_view method, json parameters, bool more = false) {
    return {std::string(agent_prefix) + std::string(method), std::move(parameters), more};
}

json identity_parameter(const std::optional<std::string>& identity) {
    return identity ? json{{"identity", *identity}} : json::object();
}

template <class Value>
Result<std::vector<Value>> list_of(const Result<Reply>& reply, const char* name,
                                   Result<Value> (*read)(const json& value)) {
    if (!reply) {
        return fail(reply.error());
    }
    const auto found = reply->parameters.find(name);
    if (found == reply->parameters.end() || !found->is_array()) {
        return fail(ErrorCode::control_protocol, "the agent's answer is malformed",
                    fmt::format("its member '{}' is missing or no list", name));
    }
    std::vector<Value> values;
    for (const json& entry : *found) {
        auto value = read(entry);
        if (!value) {
            return fail(value.error());
        }
        values.push_back(*std::move(value));
    }
    return values;
}

template <class Value>
Result<Value> value_of(const Result<Reply>& reply, Result<Value> (*read)(const json& value)) {
    return reply ? read(reply->parameters) : fail(reply.error());
}

Result<IdentityEvent> event_in(const Reply& reply) {
    const auto found = reply.parameters.find("event");
    if (found == reply.parameters.end()) {
        return fail(ErrorCode::control_protocol, "the agent's answer is malformed", "its member 'event' is missing");
    }
    return identity_event_of(*found);
}

/// The reply of a frame; what it says, if it is an error.
Result<Reply> good_reply(const std::string& frame) {
    auto reply = parse_reply(frame);
    if (reply && !reply->error.empty()) {
        return fail(error_of(*reply));
    }
    return reply;
}

Result<OverviewReply> overview_reply_of(const std::string& frame) {
    if (auto expected = read_overview_reply(frame)) {
        return *std::move(expected);
    }
    const auto reply = good_reply(frame);
    auto overview = reply ? overview_of(reply->parameters) : fail(reply.error());
    return overview ? Result<OverviewReply>(OverviewReply{*std::move(overview), reply->continues})
                    : fail(overview.error());
}

Error connect_error(const ClientOptions& options, int number) {
    const std::string path = socket_path(options.runtime_dir).string();
    const std::string why = std::generic_category().message(number);
    switch (number) {
        case ENOENT:
        case ENOTDIR:
        case ECONNREFUSED:
            return Error(ErrorCode::control_no_agent, "no agent listens on " + path);
        case EACCES:
        case EPERM:
            return Error(ErrorCode::control_denied, "this user may not open " + path, why,
                         fmt::format("run it as root or as a member of the group '{}'", options.admin_group));
        case EAGAIN:
            return Error(ErrorCode::control_deadline, "the agent does not take connections on " + path,
                         "none was accepted within " + seconds_text(options.connect_time));
        default:
            return Error(ErrorCode::control_socket, "cannot connect to " + path, why);
    }
}

/// Nothing: the path is longer than a socket's may be.
std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return std::nullopt;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

}  // namespace

Client::Client(FileDescriptor socket, ClientOptions options)
    : socket_(std::move(socket)), options_(std::move(options)), frames_(max_reply) {}

Result<Client> Client::connect(const ClientOptions& options) {
    const std::string path = socket_path(options.runtime_dir).string();
    const auto address = address_of(path);
    if (!address) {
        return fail(ErrorCode::control_no_agent, "no agent listens on " + path,
                    "it is longer than a socket's path may be", "choose a shorter 'runtime_dir'");
    }
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // unix(7): connect(2) waits for a place in the backlog as long as SO_SNDTIMEO says, then fails with EAGAIN.
    const timeval time{options.connect_time.count() / 1000, (options.connect_time.count() % 1000) * 1000};
    if (!socket.valid() || ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) != 0 ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return fail(connect_error(options, errno));
    }
    return Client(std::move(socket), options);
}

std::optional<pid_t> process_behind(const std::filesystem::path& runtime_dir) {
    const auto address = address_of(socket_path(runtime_dir).string());
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!address || !socket.valid() ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return std::nullopt;
    }
    // unix(7): of who called listen(2).
    ucred listener{};
    socklen_t size = sizeof listener;
    const bool told = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) == 0;
    return told && listener.pid > 0 ? std::optional(listener.pid) : std::nullopt;
}

Error Client::ended() const {
    return Error(ErrorCode::control_no_agent, "the agent ended the connection before it answered", {},
                 "its journal says why it ended; 'systemctl start hwenrolld' starts it");
}

/// Until one of `events` is there.
Status Client::await(short events, const Deadline& deadline) const {
    pollfd entry{socket_.get(), events, 0};
    for (;;) {
        int wait = -1;
        if (deadline) {
            const auto left = std::chrono::ceil<milliseconds>(*deadline - SteadyClock::now()).count();
            wait = static_cast<int>(std::clamp<milliseconds::rep>(left, 0, INT_MAX));
        }
        const int ready = ::poll(&entry, 1, wait);
        if (ready > 0) {
            return {};
        }
        if (ready == 0) {
            return fail(ErrorCode::control_deadline,
                        "the agent did not answer on " + socket_path(options_.runtime_dir).string());
        }
        if (errno != EINTR) {
            return fail(ErrorCode::internal, "cannot wait for the agent", std::generic_category().message(errno));
        }
    }
}

Status Client::send(const Call& call, const Deadline& deadline) {
    const std::string frame = encode(call);
    std::string_view left = frame;
    while (!left.empty()) {
        const ssize_t size = ::send(socket_.get(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size >= 0) {
            left.remove_prefix(static_cast<std::size_t>(size));
        } else if (errno == EAGAIN) {
            if (Status ready = await(POLLOUT, deadline); !ready) {
                return ready;
            }
        } else if (errno != EINTR) {
            return {};  // it has closed, and why may still be read
        }
    }
    return {};
}

Result<std::string> Client::receive_frame(const Deadline& deadline) {
    for (;;) {
        auto frame = frames_.next();
        if (!frame) {
            return fail(frame.error());
        }
        if (*frame) {
            return **std::move(frame);
        }
        if (const Status ready = await(POLLIN, deadline); !ready) {
            return fail(ready.error());
        }
        std::array<char, 16'384> buffer{};
        const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size > 0) {
            frames_.append({buffer.data(), static_cast<std::size_t>(size)});
        } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail(ended());
        }
    }
}

Result<Reply> Client::receive(const Deadline& deadline) {
    const auto frame = receive_frame(deadline);
    return frame ? good_reply(*frame) : fail(frame.error());
}

Result<Reply> Client::call(const Call& call) {
    return call_within(options_.reply_time, call);
}

Result<Reply> Client::call_within(milliseconds time, const Call& call) {
    const Deadline deadline = SteadyClock::now() + time;
    if (const Status sent = send(call, deadline); !sent) {
        return fail(sent.error());
    }
    return receive(deadline);
}

/// `take` says of each reply whether others follow. Each has its own time: a long answer that goes on is no agent that
/// does not answer.
Status Client::call_for_pages(std::string_view method, const std::function<Result<bool>(const std::string&)>& take) {
    const auto next_deadline = [&] { return SteadyClock::now() + options_.reply_time; };
    if (Status sent = send(call_of(method, json::object(), true), next_deadline()); !sent) {
        return sent;
    }
    for (;;) {
        const auto frame = receive_frame(next_deadline());
        const auto continues = frame ? take(*frame) : fail(frame.error());
        if (!continues || !*continues) {
            return continues ? Status() : fail(continues.error());
        }
    }
}

Result<std::vector<IdentityView>> Client::status(const std::optional<std::string>& identity) {
    if (identity) {
        return list_of(call(call_of("Status", identity_parameter(identity))), "identities", identity_view_of);
    }
    std::vector<IdentityView> all;
    const Status ended = call_for_pages("Status", [&](const std::string& frame) -> Result<bool> {
        const auto reply = good_reply(frame);
        auto page = list_of<IdentityView>(reply, "identities", identity_view_of);
        if (!page) {
            return fail(page.error());
        }
        std::ranges::move(*page, std::back_inserter(all));
        return reply->continues;
    });
    return ended ? Result<std::vector<IdentityView>>(std::move(all)) : fail(ended.error());
}

Result<Overview> Client::overview() {
    Overview all;
    const Status ended = call_for_pages("Overview", [&](const std::string& frame) -> Result<bool> {
        auto page = overview_reply_of(frame);
        if (!page) {
            return fail(page.error());
        }
        all.at = page->overview.at;
        std::ranges::move(page->overview.rows, std::back_inserter(all.rows));
        for (const std::string& notice : page->overview.notices) {
            add_notice(all, notice);
        }
        return page->continues;
    });
    return ended ? Result<Overview>(std::move(all)) : fail(ended.error());
}

Status Client::ping(milliseconds time) {
    const auto reply = call_within(time, call_of("Health", json::object()));
    return reply ? Status() : fail(reply.error());
}

Result<Health> Client::health() {
    return value_of(call(call_of("Health", json::object())), health_of);
}

Result<observe::Metrics> Client::metrics() {
    observe::Metrics all;
    const Status ended = call_for_pages("Metrics", [&](const std::string& frame) -> Result<bool> {
        const auto reply = good_reply(frame);
        const auto page = list_of<observe::MetricFamily>(reply, "metrics", metric_family_of);
        if (!page) {
            return fail(page.error());
        }
        all.add(*page);
        return reply->continues;
    });
    return ended ? Result<observe::Metrics>(std::move(all)) : fail(ended.error());
}

Result<Acceptance> Client::enroll(const std::string& identity) {
    return value_of(call(call_of("Enroll", identity_parameter(identity))), acceptance_of);
}

Result<Acceptance> Client::adopt(const std::string& identity, const std::string& certificates) {
    const Call adoption = call_of("Adopt", {{"identity", identity}, {"certificate", certificates}});
    return value_of(call_within(options_.adopt_time, adoption), acceptance_of);
}

Result<Acceptance> Client::renew(const std::string& identity, bool rekey) {
    return value_of(call(call_of("Renew", {{"identity", identity}, {"rekey", rekey}})), acceptance_of);
}

Result<Acceptance> Client::cancel(const std::string& identity) {
    return value_of(call(call_of("Cancel", identity_parameter(identity))), acceptance_of);
}

Result<Acceptance> Client::accept_next(const std::string& ca, const std::optional<std::string>& fingerprint) {
    json parameters{{"ca", ca}};
    if (fingerprint) {
        parameters["fingerprint"] = *fingerprint;
    }
    return value_of(call(call_of("AcceptNext", std::move(parameters))), acceptance_of);
}

Result<Acceptance> Client::fetch_crl(const std::string& ca) {
    return value_of(call_within(options_.adopt_time, call_of("FetchCrl", {{"ca", ca}})), acceptance_of);
}

Result<Acceptance> Client::fetch_certificate(const std::string& ca, const std::string& serial) {
    const Call question = call_of("FetchCertificate", {{"ca", ca}, {"serial", serial}});
    return value_of(call_within(options_.adopt_time, question), acceptance_of);
}

Result<std::vector<KeyTestView>> Client::test_keys(const std::optional<std::string>& identity) {
    const auto reply = call_within(options_.adopt_time, call_of("TestKeys", identity_parameter(identity)));
    return list_of(reply, "tests", key_test_of);
}

Result<ResumptionView> Client::resume(const std::string& identity) {
    return value_of(call(call_of("Resume", identity_parameter(identity))), resumption_of);
}

Result<std::vector<HistoryEvent>> Client::history(const std::optional<std::string>& identity, std::int64_t limit) {
    json parameters = identity_parameter(identity);
    parameters["limit"] = limit;
    return list_of(call(call_of("History", std::move(parameters))), "events", history_event_of);
}

Result<IdentityEvent> Client::wait(const std::string& identity, std::optional<milliseconds> timeout,
                                   const EventSink& sink, const EventTest& is_enough) {
    const Deadline end = timeout ? Deadline(SteadyClock::now() + *timeout) : std::nullopt;
    // How the identity is comes at once; only what follows may take as long as it likes.
    const auto first = SteadyClock::now() + options_.reply_time;
    const Status sent = send(call_of("Wait", {{"identity", identity}}, true), first);
    auto reply = sent ? receive(first) : fail(sent.error());
    while (reply) {
        auto event = event_in(*reply);
        if (!event || !reply->continues || (is_enough && is_enough(*event))) {
            return event;
        }
        sink(*event);
        reply = receive(end);
        if (!reply && reply.error().code() == ErrorCode::control_deadline) {
            return fail(
                Error(ErrorCode::wait_timeout, "it has not settled within " + seconds_text(*timeout)).about(identity));
        }
    }
    return fail(reply.error());
}

Status Client::monitor(std::optional<milliseconds> timeout, const EventSink& sink) {
    const Deadline end = timeout ? Deadline(SteadyClock::now() + *timeout) : std::nullopt;
    if (Status sent = send(call_of("Monitor", json::object(), true), SteadyClock::now() + options_.reply_time); !sent) {
        return sent;
    }
    for (;;) {
        const auto reply = receive(end);
        if (!reply) {
            const bool over = timeout && reply.error().code() == ErrorCode::control_deadline;
            return over ? Status() : fail(reply.error());
        }
        const auto event = event_in(*reply);
        if (!event) {
            return fail(event.error());
        }
        sink(*event);
    }
}

}  // namespace hwenroll::control
