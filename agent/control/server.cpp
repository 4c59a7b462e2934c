#include "agent/control/server.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <set>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/control/audit.h"
#include "agent/control/connection.h"
#include "agent/control/listener.h"
#include "agent/control/view_codec.h"

namespace hwenroll::control {
namespace {

using nlohmann::json;
using observe::Level;

/// Calls of one client that are answered before the loop goes on with others.
constexpr int calls_a_turn = 8;
/// Connections taken before the loop goes on.
constexpr int accepts_a_turn = 16;
/// While more than this waits for a client, its next call does too.
constexpr std::size_t calm_output = 64U << 10U;
/// Identities of one reply where all come in several: some milliseconds of work, some tens of kilobytes.
constexpr std::size_t page_size = 128;

Reply error_reply(std::string_view prefix, std::string_view name, json parameters = json::object()) {
    return {std::string(prefix) + std::string(name), std::move(parameters)};
}

Reply event_reply(const IdentityEvent& event, bool continues) {
    return {{}, {{"event", to_json(event)}}, continues};
}

/// Of parameters that are no good otherwise: what the call was about.
Arguments names_in(const json& parameters) {
    const auto text = [&](const char* name) {
        const auto found = parameters.find(name);
        return found != parameters.end() && found->is_string() ? std::optional(found->get<std::string>())
                                                               : std::nullopt;
    };
    Arguments arguments;
    arguments.identity = text("identity");
    arguments.ca = text("ca");
    return arguments;
}

}  // namespace

/// Connections are only forgotten where no function of theirs is under way: see sweep().
class Server::Impl final : public Watcher {
 public:
    Impl(ServerOptions options, Listener listener, Reactor& reactor, ControlService& service, PeerSource& peers,
         LogSink log)
        : options_(std::move(options)),
          listener_(std::move(listener)),
          reactor_(reactor),
          service_(service),
          peers_(peers),
          log_(std::move(log)),
          spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ~Impl() override {
        for (const auto& [number, asked] : under_way_) {
            log_(audit_record(asked, ChangeOutcome::unanswered, {}));
        }
        service_.subscribe({});
        reactor_.unwatch(listener_.fd());
        for (const auto& [fd, connection] : connections_) {
            reactor_.unwatch(fd);
        }
    }

    Status start() {
        if (!listener_.warning().empty()) {
            log_({Level::warning, "only root and the agent's user may use the control socket: " + listener_.warning()});
        }
        service_.subscribe([this](const IdentityEvent& event) { on_event(event); });
        return reactor_.watch(listener_.fd(), true, false, *this);
    }

    void on_ready(int fd, Readiness ready) override {
        if (fd == listener_.fd()) {
            accept_all();
        } else if (const auto found = connections_.find(fd); found != connections_.end()) {
            ++busy_;
            serve(*found->second, ready);
            --busy_;
        }
        sweep();
    }

    /// H13: whoever keeps a connection and does nothing with it makes room.
    void on_deadline(int fd) override {
        const auto found = connections_.find(fd);
        if (found == connections_.end() || is_dropped(*found->second)) {
            return;
        }
        if (const auto& patience = found->second->patience; patience && patience->what != Patience::For::next_call) {
            log_dropped(*found->second, patience->what == Patience::For::reading ? "does not read"
                                                                                 : "did not complete its call in time");
        }
        drop(*found->second);
        sweep();
    }

    [[nodiscard]] std::size_t clients() const { return connections_.size(); }

 private:
    void accept_all() {
        for (int i = 0; i < accepts_a_turn; ++i) {
            FileDescriptor socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (socket.valid()) {
                admit(std::move(socket));
            } else if (errno == EMFILE || errno == ENFILE) {
                return refuse_one();
            } else if (errno != EINTR && errno != ECONNABORTED) {
                return;  // EAGAIN: no more; anything else comes again
            }
        }
    }

    /// Without a descriptor left the waiting connection would wake the loop again and again: one is given up to take
    /// it and end it. accept(2) also fails so when nobody waits.
    void refuse_one() {
        spare_.reset();
        FileDescriptor refused(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        const bool was_there = refused.valid();
        refused.reset();
        spare_ = FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (was_there) {
            log_({Level::warning, "a client of the control socket was turned away: no file descriptor is left"});
        }
    }

    void admit(FileDescriptor socket) {
        const auto peer = peers_.peer(socket.get());
        if (!peer) {
            return log_({Level::warning, peer.error().line()});
        }
        const std::size_t places =
            is_own(*peer) ? options_.max_clients : options_.max_clients - options_.reserved_clients;
        const int fd = socket.get();
        if (options_.max_kernel_buffer != 0) {
            const int size = static_cast<int>(options_.max_kernel_buffer);
            static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
        }
        auto connection = std::make_unique<Connection>(std::move(socket), *peer, options_.max_request);
        if (connections_.size() >= places ||
            (!is_own(*peer) && clients_of(peer->uid) >= options_.max_clients_of_user)) {
            connection->queue(encode(error_reply(agent_prefix, "TooManyClients")));
            static_cast<void>(connection->flush());
            return;
        }
        if (reactor_.watch(fd, true, false, *this)) {
            be_patient(*connection);
            connections_[fd] = std::move(connection);
        }
    }

    [[nodiscard]] std::size_t clients_of(uid_t uid) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(connections_, [&](const auto& one) { return one.second->peer().uid == uid; }));
    }

    [[nodiscard]] static bool is_own(const Peer& peer) { return peer.uid == 0 || peer.uid == ::geteuid(); }

    bool may_change(Connection& client) {
        if (!client.may_change) {
            client.may_change =
                is_own(client.peer()) || (listener_.group() && peers_.is_member(client.peer(), *listener_.group()));
        }
        return *client.may_change;
    }

    void serve(Connection& client, Readiness ready) {
        // A stream ends with its reader, and so do pages. Otherwise what came before the end of the connection is still
        // done.
        if ((ready.hung_up && is_told(client)) ||
            ((ready.readable || ready.hung_up) && wants_input(client) && !client.receive())) {
            return drop(client);
        }
        for (int i = 0; i < calls_a_turn && takes_calls(client); ++i) {
            auto frame = client.frames().next();
            if (!frame) {
                bad_frame(client, frame.error());
            } else if (*frame) {
                ++client.calls;
                answer(client, **frame);
            } else {
                break;
            }
        }
        give_page(client);
        settle(client);
    }

    /// A call is answered by replies that are still to come.
    static bool is_told(const Connection& client) { return client.stream || client.paging || client.awaited; }

    /// No call is under way and the client reads what it is sent.
    [[nodiscard]] bool takes_calls(const Connection& client) const {
        return !is_told(client) && !client.closing && client.queued() <= calm_output && !is_dropped(client);
    }

    static bool wants_input(Connection& client) {
        return !client.closing && !client.input_ended() && !client.frames().ready();
    }

    /// Sends what there is, and waits for what is left to be done.
    void settle(Connection& client) {
        if (is_dropped(client)) {
            return;
        }
        if (!client.flush()) {
            return drop(client);
        }
        const bool done = client.closing || (client.input_ended() && !client.frames().ready() && !is_told(client));
        if (done && client.queued() == 0) {
            return drop(client);
        }
        // Writable is also how a client whose next call is already here, or whose next page is due, gets its next turn.
        const bool more = client.paging || (client.frames().ready() && takes_calls(client));
        if (!reactor_.watch(client.fd(), wants_input(client), client.queued() > 0 || more, *this)) {
            return drop(client);
        }
        be_patient(client);
    }

    /// What the client has to do next, if it is its turn.
    static std::optional<Patience> awaited_of(const Connection& client) {
        if (client.queued() > 0) {
            return Patience{Patience::For::reading, client.sent()};
        }
        if (is_told(client)) {
            return std::nullopt;
        }
        return Patience{client.frames().incomplete() ? Patience::For::rest_of_call : Patience::For::next_call,
                        client.calls};
    }

    void be_patient(Connection& client) {
        const auto awaited = awaited_of(client);
        if (client.patience != awaited) {
            client.patience = awaited;
            reactor_.set_deadline(client.fd(), awaited ? std::optional(options_.patience) : std::nullopt, *this);
        }
    }

    void log_dropped(const Connection& client, std::string_view why) {
        log_({Level::warning, fmt::format("control: dropped the client of uid {}, pid {}, which {}", client.peer().uid,
                                          client.peer().pid, why)});
    }

    void drop(Connection& client) {
        if (dropped_.insert(client.fd()).second) {
            reactor_.unwatch(client.fd());
            client.stream.reset();
            client.paging.reset();
            client.awaited.reset();
        }
    }

    [[nodiscard]] bool is_dropped(const Connection& client) const { return dropped_.contains(client.fd()); }

    void sweep() {
        if (busy_ == 0) {
            for (const int fd : std::exchange(dropped_, {})) {
                connections_.erase(fd);
            }
        }
    }

    void bad_frame(Connection& client, const Error& error) {
        client.queue(
            encode(error_reply(agent_prefix, "BadFrame",
                               {{"reason", error.why().empty() ? error.what() : error.what() + ": " + error.why()}})));
        client.closing = true;
    }

    void answer(Connection& client, const std::string& frame) {
        const auto call = parse_call(frame);
        if (!call) {
            return bad_frame(client, call.error());
        }
        const auto reply = reply_to(client, *call);
        if (reply && !call->oneway) {
            client.queue(encode(*reply));
        }
    }

    /// The only reply, or the last; nothing while a stream goes on.
    std::optional<Reply> reply_to(Connection& client, const Call& call) {
        if (call.method.starts_with(service_prefix)) {
            return reply_about_service(call);
        }
        const bool ours = call.method.starts_with(agent_prefix);
        const Method* const method =
            ours ? find_method(std::string_view(call.method).substr(agent_prefix.size())) : nullptr;
        if (method == nullptr) {
            return unknown_method(call.method, ours);
        }
        const auto arguments = arguments_of(*method, call.parameters);
        if (!arguments) {
            Reply reply = error_reply(service_prefix, "InvalidParameter", {{"parameter", arguments.error().name}});
            if (method->kind == MethodKind::change) {
                log_(audit_record(asked_by(client, *method, names_in(call.parameters)), ChangeOutcome::malformed,
                                  reply));
            }
            return reply;
        }
        if (method->kind == MethodKind::stream) {
            return begin_stream(client, call, *method, *arguments);
        }
        if (method->page != nullptr && call.more && !call.oneway && !arguments->identity) {
            client.paging = Paging{method};
            return std::nullopt;
        }
        if (method->kind != MethodKind::change) {
            return run(*method, *arguments);
        }
        return method->begin != nullptr && may_change(client) ? begin_change(client, call, *method, *arguments)
                                                              : change(client, *method, *arguments);
    }

    static Reply unknown_method(const std::string& name, bool known_interface) {
        const std::string interface = name.substr(0, name.rfind('.') == std::string::npos ? 0 : name.rfind('.'));
        return known_interface ? error_reply(service_prefix, "MethodNotFound", {{"method", name}})
                               : error_reply(service_prefix, "InterfaceNotFound", {{"interface", interface}});
    }

    [[nodiscard]] Reply reply_about_service(const Call& call) const {
        const std::string name = call.method.substr(service_prefix.size());
        const std::string agent(agent_prefix.substr(0, agent_prefix.size() - 1));
        const std::string service(service_prefix.substr(0, service_prefix.size() - 1));
        if (name == "GetInfo") {
            return {{},
                    {{"vendor", "hwenroll"},
                     {"product", "hwenrolld"},
                     {"version", options_.version},
                     {"url", ""},
                     {"interfaces", {service, agent}}}};
        }
        if (name != "GetInterfaceDescription") {
            return unknown_method(call.method, true);
        }
        const auto wanted = call.parameters.find("interface");
        if (wanted == call.parameters.end() || !wanted->is_string()) {
            return error_reply(service_prefix, "InvalidParameter", {{"parameter", "interface"}});
        }
        if (*wanted != agent && *wanted != service) {
            return error_reply(service_prefix, "InterfaceNotFound", {{"interface", *wanted}});
        }
        return {{}, {{"description", *wanted == agent ? interface_description() : service_description()}}};
    }

    Reply run(const Method& method, const Arguments& arguments) {
        auto result = method.run(service_, arguments);
        return result ? Reply{{}, *std::move(result)} : failure_reply(result.error());
    }

    Reply change(Connection& client, const Method& method, const Arguments& arguments) {
        const bool allowed = may_change(client);
        Reply reply = allowed ? run(method, arguments)
                              : error_reply(agent_prefix, "PermissionDenied",
                                            {{"group", listener_.group() ? options_.admin_group : ""}});
        log_(audit_record(asked_by(client, method, arguments), allowed ? outcome_of(reply) : ChangeOutcome::denied,
                          reply));
        return reply;
    }

    ChangeAsked asked_by(const Connection& client, const Method& method, const Arguments& arguments) {
        return {client.peer(), peers_.program(client.peer()), &method, arguments};
    }

    /// The reply comes when the service knows it: from within this call, or later, when the client may be gone and
    /// another one have its descriptor, or this server may be.
    std::optional<Reply> begin_change(Connection& client, const Call& call, const Method& method,
                                      const Arguments& arguments) {
        const std::uint64_t number = ++last_awaited_;
        if (!call.oneway) {
            client.awaited = number;
        }
        under_way_.emplace(number, asked_by(client, method, arguments));
        method.begin(
            service_, arguments,
            [this, life = std::weak_ptr<const bool>(life_), fd = client.fd(), number](const Result<json>& answer) {
                if (life.expired()) {
                    return;
                }
                const Reply reply = answer ? Reply{{}, *answer} : failure_reply(answer.error());
                if (const auto asked = under_way_.extract(number)) {
                    log_(audit_record(asked.mapped(), outcome_of(reply), reply));
                }
                give_awaited(fd, number, reply);
            });
        return std::nullopt;
    }

    void give_awaited(int fd, std::uint64_t number, const Reply& reply) {
        ++busy_;
        const auto found = connections_.find(fd);
        if (found != connections_.end() && found->second->awaited == number) {
            found->second->awaited.reset();
            found->second->queue(encode(reply));
            settle(*found->second);
        }
        --busy_;
        sweep();
    }

    std::optional<Reply> begin_stream(Connection& client, const Call& call, const Method& method,
                                      const Arguments& arguments) {
        if (!call.more || call.oneway) {
            return error_reply(service_prefix, "ExpectedMore");
        }
        const auto events = first_events(service_, arguments);
        if (!events) {
            return failure_reply(events.error());
        }
        for (const IdentityEvent& event : *events) {
            if (method.ends_when_settled && event.settled) {
                return event_reply(event, false);
            }
            client.queue(encode(event_reply(event, true)));
        }
        client.stream = Stream{arguments.identity, method.ends_when_settled};
        return std::nullopt;
    }

    /// One page a turn, and none while the client has not read what was sent.
    void give_page(Connection& client) {
        if (!client.paging || client.queued() > calm_output || is_dropped(client)) {
            return;
        }
        auto page = client.paging->method->page(service_, client.paging->after, page_size);
        const bool continues = page && !page->ended;
        client.queue(page ? encode_reply(page->parameters, continues) : encode(failure_reply(page.error())));
        if (continues) {
            client.paging->after = std::move(page->last);
        } else {
            client.paging.reset();
        }
    }

    void on_event(const IdentityEvent& event) {
        ++busy_;
        for (const auto& [fd, client] : connections_) {
            if (!client->stream || is_dropped(*client) ||
                (client->stream->identity && *client->stream->identity != event.identity)) {
                continue;
            }
            if (client->queued() > options_.max_output) {
                log_dropped(*client, "does not read");
                drop(*client);
                continue;
            }
            const bool last = client->stream->ends_when_settled && event.settled;
            client->queue(encode(event_reply(event, !last)));
            if (last) {
                client->stream.reset();
            }
            settle(*client);
        }
        --busy_;
        sweep();
    }

    ServerOptions options_;
    Listener listener_;
    Reactor& reactor_;
    ControlService& service_;
    PeerSource& peers_;
    LogSink log_;
    FileDescriptor spare_;
    std::map<int, std::unique_ptr<Connection>> connections_;
    std::set<int> dropped_;  ///< unwatched already, closed by sweep()
    int busy_ = 0;           ///< functions under way that refer to connections
    std::uint64_t last_awaited_ = 0;
    std::map<std::uint64_t, ChangeAsked> under_way_;                         ///< by their numbers
    std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);  ///< gone with this server
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

std::size_t Server::clients() const {
    return impl_->clients();
}

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options, Reactor& reactor, ControlService& service,
                                               PeerSource& peers, LogSink log) {
    auto listener = Listener::make(options.runtime_dir, options.admin_group);
    if (!listener) {
        return fail(listener.error());
    }
    auto impl =
        std::make_unique<Impl>(std::move(options), *std::move(listener), reactor, service, peers, std::move(log));
    if (const Status started = impl->start(); !started) {
        return fail(started.error());
    }
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace hwenroll::control
