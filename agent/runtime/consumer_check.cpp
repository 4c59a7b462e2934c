#include "agent/runtime/consumer_check.h"

#include <arpa/inet.h>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/hook_run.h"

namespace hwenroll::runtime {
namespace {

bool is_address(const std::string& host) {
    in6_addr address{};
    return host.starts_with('[') || inet_pton(AF_INET, host.c_str(), &address) == 1;
}

/// The first DNS name of `certificate` that one host can have; empty: none.
std::string host_name_of(const Certificate& certificate) {
    constexpr std::string_view prefix = "dns:";
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    for (const std::string& name : certificate.subject_alt_names()) {
        if (name.starts_with(prefix) && name.size() > prefix.size() &&
            name.find_first_not_of(allowed, prefix.size()) == std::string::npos) {
            return name.substr(prefix.size());
        }
    }
    return {};
}

/// How a served certificate that is not the published one is called.
std::string_view kind_of(const Certificate& served, const Certificate& published) {
    const bool older = served.subject() == published.subject() && served.not_before() <= published.not_before();
    return older ? "the old certificate" : "another certificate";
}

}  // namespace

Error CheckOutcome::error(const std::string& identity) const {
    return Error(ErrorCode::verify_failed, "the consumer does not use the new certificate", text).about(identity);
}

http::Request handshake_for(const std::string& address, const Certificate& published,
                            std::chrono::milliseconds time_out) {
    http::Request request;
    request.method = http::Request::Method::handshake;
    const std::string host = address.substr(0, address.rfind(':'));
    const std::string name = is_address(host) ? host_name_of(published) : std::string();
    request.url = fmt::format("https://{}/", name.empty() ? address : name);
    request.connect_to = name.empty() ? std::string() : address;
    request.limits.connect_timeout = time_out;
    request.limits.exchange_timeout = time_out;
    return request;
}

ConsumerCheck::ConsumerCheck(http::Client& client, CheckTask task, const Certificate& published,
                             std::function<void(CheckOutcome)> done)
    : client_(client), task_(std::move(task)), published_(published), done_(std::move(done)) {}

std::unique_ptr<ConsumerCheck> ConsumerCheck::start(EventLoop& loop, http::Client& client, CheckTask task,
                                                    const Certificate& published, const CheckLimits& limits,
                                                    std::function<void(CheckOutcome)> done) {
    std::unique_ptr<ConsumerCheck> check(new ConsumerCheck(client, std::move(task), published, std::move(done)));
    ConsumerCheck* const self = check.get();
    const CheckTask& what = self->task_;
    if (!what.tls.empty()) {
        self->exchange_ = client.start(handshake_for(what.tls, published, limits.tls),
                                       [self](const Result<http::Response>& response) { self->compare(response); });
        return check;
    }
    CommandPlan plan = hook_plan(what.identity, what.generation, what.publish_dir, limits.command);
    plan.arguments = what.command;
    plan.environment.back() = "HWENROLL_REASON=verify";
    self->command_ = Command::start(loop, std::move(plan), [self](const CommandOutcome& outcome) {
        const std::string name = self->task_.command.empty() ? "" : printable(self->task_.command.front(), 128);
        self->finish({outcome.succeeded(), fmt::format("'{}' {}", name, outcome.text()), outcome.output});
    });
    return check;
}

ConsumerCheck::~ConsumerCheck() {
    client_.cancel(exchange_);
}

void ConsumerCheck::compare(const Result<http::Response>& response) {
    if (!response) {
        const Error& error = response.error();
        return finish({false, fmt::format("{} could not be asked: {}", task_.tls, error.why()), {}});
    }
    const auto served = Certificate::from_der(response->body);
    if (!served) {
        return finish(
            {false, fmt::format("{} serves what is no certificate: {}", task_.tls, served.error().why()), {}});
    }
    const std::string serial = to_hex(served->serial());
    if (*served == published_) {
        return finish({true, fmt::format("{} serves the published certificate, serial {}", task_.tls, serial), {}});
    }
    finish({false, fmt::format("{} serves {}, serial {}", task_.tls, kind_of(*served, published_), serial), {}});
}

void ConsumerCheck::finish(CheckOutcome outcome) {
    exchange_ = 0;
    const auto done = std::exchange(done_, nullptr);
    done(std::move(outcome));
}

}  // namespace hwenroll::runtime
