// hwenroll-hook: runs the hooks of one generation as root, for an agent that is not.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <sys/types.h>

#include "agent/config/configuration.h"
#include "agent/runtime/command_sequence.h"
#include "agent/runtime/event_loop.h"
#include "agent/runtime/hook_protocol.h"

namespace hwenroll::hook {

/// Whom it serves and within which bounds.
struct HookRules {
    uid_t peer = 0;                                               ///< the agent's user; nobody else is answered to
    std::function<Result<config::Configuration>()> load;          ///< root's configuration, checked
    std::chrono::milliseconds request_time_out{10'000};           ///< from start() to the request
    std::chrono::milliseconds time_out = runtime::hook_time_out;  ///< for all programs together
};

/// How a connection was served.
struct ServiceOutcome {
    std::optional<Error> refusal;  ///< nothing was run, or what ran was ended
    std::optional<runtime::SequenceOutcome> hooks;
};

/// One connection, one request, one answer. The peer is not trusted: of its packet only the name of an identity and a
/// number are used, and what is run stands in root's configuration. A second packet, or the end of the connection,
/// ends the programs. On the loop's thread.
class HookService {
 public:
    /// `connection` is a connected SOCK_SEQPACKET socket. `done` is called once, on the loop, after the answer has been
    /// sent, never from within start(), and may destroy the service. Codes of a refusal: hook_refused, and what `load`
    /// returns.
    static std::unique_ptr<HookService> start(runtime::EventLoop& loop, FileDescriptor connection, HookRules rules,
                                              std::function<void(ServiceOutcome)> done);

    HookService(const HookService&) = delete;
    HookService& operator=(const HookService&) = delete;
    /// Kills what runs; `done` is not called then.
    ~HookService() = default;

 private:
    HookService(runtime::EventLoop& loop, FileDescriptor connection, HookRules rules,
                std::function<void(ServiceOutcome)> done);
    void take_packet();
    [[nodiscard]] Result<std::optional<runtime::HookRequest>> receive() const;
    Status run(const runtime::HookRequest& request);
    void answer(runtime::HookVerdict verdict, const std::string& text);
    void refuse(const Error& error);
    void finish(ServiceOutcome outcome);

    runtime::EventLoop& loop_;
    FileDescriptor connection_;
    HookRules rules_;
    std::function<void(ServiceOutcome)> done_;
    std::unique_ptr<runtime::CommandSequence> sequence_;
    runtime::Watch packet_watch_;
    runtime::Watch time_watch_;
};

/// The generation to which `<publish_dir>/<identity>/current` leads. Nothing there is trusted; no link is followed
/// below publish_dir. Error code: hook_refused.
Result<std::uint64_t> current_generation(const std::filesystem::path& publish_dir, const std::string& identity);

}  // namespace hwenroll::hook
