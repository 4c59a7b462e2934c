// The agent's control socket: Varlink (io.hwenroll.Agent) on the daemon's loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "agent/control/peer.h"
#include "agent/control/reactor.h"
#include "agent/control/service.h"
#include "agent/observe/log.h"

namespace hwenroll::control {

/// Where the server listens and what it bears.
struct ServerOptions {
    std::filesystem::path runtime_dir = {};  ///< must exist; the socket is `control` in it
    std::string admin_group = {};            ///< `admin_group` of [agent]
    std::string version = {};                ///< of the agent, for GetInfo
    std::size_t max_clients = 32;            ///< connected at once
    std::size_t reserved_clients = 4;        ///< of these, kept for root and the agent's user
    std::size_t max_clients_of_user = 8;     ///< of these, for each user but root and the agent's
    std::size_t max_request = 64U << 10U;    ///< octets of one call
    std::size_t max_output = 1024U << 10U;   ///< octets of events that wait for a client, which is dropped beyond that
    std::size_t max_kernel_buffer = 0;       ///< SO_SNDBUF of each connection; 0: the kernel's default
    std::chrono::milliseconds patience{30'000};  ///< for a client to send its next whole call, and to read on
};

/// Serves until it is destroyed. Never blocks: a client that does not read, write or end costs memory up to its limits
/// and nothing else. One thread, the loop's.
class Server {
 public:
    using LogSink = std::function<void(const observe::LogRecord&)>;

    /// Listens. `log` gets an audit_record() for every change that a client asked for, and records of what goes wrong.
    /// All references must outlive the server. Errors: control_socket, internal.
    static Result<std::unique_ptr<Server>> listen(ServerOptions options, Reactor& reactor, ControlService& service,
                                                  PeerSource& peers, LogSink log);

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Connected now.
    [[nodiscard]] std::size_t clients() const;

 private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hwenroll::control
