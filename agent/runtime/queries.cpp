#include "agent/runtime/queries.h"

#include <climits>
#include <unistd.h>

#include "agent/runtime/authority_access.h"
#include "agent/runtime/ca_answer.h"
#include "agent/runtime/token_access.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

/// One exchange, waited for.
Result<http::Response> fetch(EventLoop& loop, http::Client& client, http::Request request) {
    Result<http::Response> answer = fail(ErrorCode::interrupted, "a signal ended the request");
    client.start(std::move(request), [&](Result<http::Response> response) {
        answer = std::move(response);
        loop.stop();
    });
    if (const Status ran = loop.run(); !ran) {
        return fail(ran.error());
    }
    return answer;
}

http::Request get(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                  const std::string& url, scep::Operation operation) {
    http::Request request;
    request.url = scep::operation_url(url, operation, settings.identifier);
    request.limits =
        http_limits(limits, operation == scep::Operation::get_ca_caps ? limits.max_caps_bytes : limits.max_reply_bytes);
    request.route = {settings.proxy, settings.tls_ca.string(), settings.bind};
    return request;
}

/// A loop serves one exchange at a time here: sd-event cannot run again after an exit.
Result<http::Response> fetch(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                             const std::string& url, scep::Operation operation) {
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return fail(loop.error());
    }
    stopping = loop->get();
    http::Client client(**loop, "hwenroll");
    (*loop)->serve(client);
    return fetch(**loop, client, get(settings, limits, url, operation));
}

Result<CaAnswer> ask(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                     const std::string& url) {
    auto capabilities = read_capabilities(fetch(settings, limits, url, scep::Operation::get_ca_caps), false);
    if (capabilities && !*capabilities) {
        capabilities = read_capabilities(fetch(settings, limits, url, scep::Operation::get_ca_caps), true);
    }
    if (!capabilities) {
        return fail(capabilities.error());
    }
    auto certificates =
        read_certificates(fetch(settings, limits, url, scep::Operation::get_ca_cert), parse_limits(limits, true));
    if (!certificates) {
        return fail(certificates.error());
    }
    return CaAnswer{url, **std::move(capabilities), *std::move(certificates)};
}

}  // namespace

Result<CaAnswer> ask_ca(const config::AuthoritySettings& settings, const config::LimitSettings& limits) {
    Result<CaAnswer> answer = fail(ErrorCode::config_missing, "no URL of a CA is given");
    for (const std::string& url : settings.urls) {
        answer = ask(settings, limits, url);
        if (answer || answer.error().info().exit_code != error_info(ErrorCode::ca_unreachable).exit_code) {
            break;
        }
    }
    return answer;
}

Result<std::vector<keystore::KeyDescription>> list_keys(const config::TokenSettings& settings,
                                                        const std::filesystem::path& state_dir,
                                                        const keystore::WorkerProgram& worker, const Clock& clock,
                                                        observe::Log& log) {
    auto store = store::Store::open(state_dir, {});
    if (!store) {
        return fail(store.error());
    }
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return fail(loop.error());
    }
    stopping = loop->get();
    Result<std::vector<keystore::KeyDescription>> keys = fail(ErrorCode::interrupted, "a signal ended the listing");
    {
        ClockTrust clock_trust(*store, clock);
        TokenAccess token({**loop, *store, clock, log, clock_trust}, worker, settings);
        (*loop)->post([&] {
            token.use([](const std::shared_ptr<keystore::Token>& device) { return device->list_keys(); },
                      [&](Result<std::vector<keystore::KeyDescription>> listed) {
                          keys = std::move(listed);
                          stopping->stop();
                      });
        });
        if (const Status ran = (*loop)->run(); !ran) {
            return fail(ran.error());
        }
    }
    return keys;
}

keystore::WorkerProgram worker_beside_this_program() {
    std::string path(PATH_MAX, '\0');
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return {std::filesystem::path(path).replace_filename("hwenroll-token").string(), {}};
}

}  // namespace hwenroll::runtime
