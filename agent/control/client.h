// The command line's side of the control socket. Blocks.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "agent/control/frame.h"
#include "agent/control/service.h"
#include "base/file_descriptor.h"

namespace hwenroll::control {

struct Call;
struct Reply;

/// How to reach the agent.
struct ClientOptions {
    std::filesystem::path runtime_dir = {};
    std::string admin_group = {};                   ///< named where permission is denied
    std::chrono::milliseconds connect_time{5'000};  ///< to be accepted
    std::chrono::milliseconds reply_time{
        30'000};  ///< for each reply but those of wait(), monitor(), adopt(), fetches and test_keys()
    std::chrono::milliseconds adopt_time{300'000};  ///< for these but the first two: a token or a CA is asked first
};

/// One connection to a running agent; calls are made one after the other. One thread. Every call's errors:
/// control_deadline, control_denied, control_busy, control_protocol, control_no_agent (it ended), and whatever the
/// agent answers, e.g. unknown_name.
class Client {
 public:
    /// Called for each event but the last of wait().
    using EventSink = std::function<void(const IdentityEvent&)>;
    using EventTest = std::function<bool(const IdentityEvent&)>;

    /// Errors: control_no_agent (nobody listens), control_denied, control_deadline, control_socket (anything else).
    static Result<Client> connect(const ClientOptions& options);

    /// Nothing but whether it answers, within `time`. The connection cannot be used any more after an error.
    Status ping(std::chrono::milliseconds time);

    /// One identity, or all of them, which come page by page.
    Result<std::vector<IdentityView>> status(const std::optional<std::string>& identity);

    /// All identities in short.
    Result<Overview> overview();

    /// The agent, its CAs and its tokens. An agent of an earlier version does not know the question: control_protocol.
    Result<Health> health();

    /// What monitoring systems are told of it.
    Result<observe::Metrics> metrics();

    Result<Acceptance> enroll(const std::string& identity);
    Result<Acceptance> adopt(const std::string& identity, const std::string& certificates);
    Result<Acceptance> renew(const std::string& identity, bool rekey);
    Result<Acceptance> cancel(const std::string& identity);
    Result<Acceptance> accept_next(const std::string& ca, const std::optional<std::string>& fingerprint);
    Result<Acceptance> fetch_crl(const std::string& ca);
    Result<Acceptance> fetch_certificate(const std::string& ca, const std::string& serial);
    Result<std::vector<KeyTestView>> test_keys(const std::optional<std::string>& identity);
    Result<ResumptionView> resume(const std::string& identity);
    Result<std::vector<HistoryEvent>> history(const std::optional<std::string>& identity, std::int64_t limit);

    /// Returns the event that settled it; the identity's state if it is settled already. Without `timeout` it waits for
    /// ever, with it the error is wait_timeout. An event that `is_enough` is returned as if it had settled it. The
    /// connection cannot be used any more after that and after an error.
    Result<IdentityEvent> wait(const std::string& identity, std::optional<std::chrono::milliseconds> timeout,
                               const EventSink& sink, const EventTest& is_enough = {});

    /// Returns only by an error, or when `timeout` has passed.
    Status monitor(std::optional<std::chrono::milliseconds> timeout, const EventSink& sink);

 private:
    using Deadline = std::optional<std::chrono::steady_clock::time_point>;

    Client(FileDescriptor socket, ClientOptions options);
    Status send(const Call& call, const Deadline& deadline);
    Result<std::string> receive_frame(const Deadline& deadline);
    Result<Reply> receive(const Deadline& deadline);
    Result<Reply> call(const Call& call);
    Result<Reply> call_within(std::chrono::milliseconds time, const Call& call);
    Status call_for_pages(std::string_view method, const std::function<Result<bool>(const std::string&)>& take);
    Status await(short events, const Deadline& deadline) const;
    [[nodiscard]] Error ended() const;

    FileDescriptor socket_;
    ClientOptions options_;
    FrameReader frames_;
};

/// The process that listens on the control socket there, if any does. Asks nothing of it, and waits for nothing.
std::optional<pid_t> process_behind(const std::filesystem::path& runtime_dir);

}  // namespace hwenroll::control
