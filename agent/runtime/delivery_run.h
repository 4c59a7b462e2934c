// Telling the consumers of a published generation: its hooks, then a look at what they serve.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/runtime/consumer_check.h"
#include "agent/runtime/hook_run.h"

namespace hwenroll::runtime {

/// What is told to whom.
struct DeliveryPlan {
    std::string identity;
    std::uint64_t generation = 0;
    std::filesystem::path publish_dir;
    std::filesystem::path runtime_dir;
    std::vector<std::vector<std::string>> hooks;  ///< `on_change`
    std::string verify_tls;                       ///< `verify`; at most one of the two is set
    std::vector<std::string> verify_command;
    Bytes leaf;  ///< DER of the certificate that consumers should serve
};

/// One delivery. On the loop's thread, which it never blocks. The hooks run first; a check that fails is a failed
/// delivery, which the machine repeats with the hooks (X9: they may run twice).
class DeliveryRun {
 public:
    using Done = std::function<void(const std::optional<Error>& error)>;

    /// `done` is called once, on the loop, never from within start(), and may destroy the run. Error codes:
    /// hook_failed, hook_unavailable, verify_failed. `client` must be served by `loop` and outlive the run.
    static std::unique_ptr<DeliveryRun> start(EventLoop& loop, http::Client& client, DeliveryPlan plan, Done done);

    DeliveryRun(const DeliveryRun&) = delete;
    DeliveryRun& operator=(const DeliveryRun&) = delete;
    ~DeliveryRun() = default;

 private:
    DeliveryRun(EventLoop& loop, http::Client& client, DeliveryPlan plan, Done done)
        : loop_(loop), client_(client), plan_(std::move(plan)), done_(std::move(done)) {}
    void run_hooks();
    void check();

    EventLoop& loop_;
    http::Client& client_;
    DeliveryPlan plan_;
    Done done_;
    std::unique_ptr<HookRun> hooks_;
    std::unique_ptr<ConsumerCheck> check_;
};

}  // namespace hwenroll::runtime
