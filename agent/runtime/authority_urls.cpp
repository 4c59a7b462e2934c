#include "agent/runtime/authority_urls.h"

#include <algorithm>
#include <utility>

namespace hwenroll::runtime {
namespace {

constexpr int max_concurrent_exchanges = 2;

/// HTTP-28: the server, or a proxy before it, is in trouble. 501 is an answer: it does not know the operation (CAPS-7).
bool is_trouble(const http::Response& response) {
    constexpr int not_implemented = 501;
    return response.status >= 500 && response.status != not_implemented;
}

/// What another address may do better.
bool is_of_the_url(const Result<http::Response>& response) {
    if (response) {
        return is_trouble(*response);
    }
    const ErrorCode code = response.error().code();
    return code == ErrorCode::ca_unreachable || code == ErrorCode::ca_timeout || code == ErrorCode::ca_interrupted ||
           code == ErrorCode::ca_closed || code == ErrorCode::ca_truncated;
}

/// Invariant 5: not where a message may have arrived.
bool may_go_elsewhere(bool once, const Result<http::Response>& response) {
    const bool unreachable = !response && response.error().code() == ErrorCode::ca_unreachable;
    return once ? unreachable : is_of_the_url(response);
}

}  // namespace

void AuthorityUrls::replace(std::vector<std::string> urls) {
    urls_ = std::move(urls);
    reachable_ = 0;
}

void AuthorityUrls::exchange(MakeRequest request, Done done, std::weak_ptr<void> owner) {
    queued_.push_back(std::make_shared<Exchange>(Exchange{std::move(request), std::move(done), std::move(owner)}));
    next_exchange();
}

void AuthorityUrls::next_exchange() {
    while (running_ < max_concurrent_exchanges && !queued_.empty()) {
        const auto exchange = std::move(queued_.front());
        queued_.pop_front();
        ++running_;
        exchange->urls = urls_;
        exchange->first = reachable_;
        start(exchange);
    }
}

void AuthorityUrls::start(const std::shared_ptr<Exchange>& exchange) {
    http::Request made = exchange->request(exchange->url());
    const bool once = made.once;
    client_.start(std::move(made),
                  [this, owner = exchange->owner.lock(), exchange, once](Result<http::Response> response) {
                      answered(exchange, once, std::move(response));
                  });
}

void AuthorityUrls::answered(const std::shared_ptr<Exchange>& exchange, bool once, Result<http::Response> response) {
    if (may_go_elsewhere(once, response) && exchange->attempt + 1 < exchange->urls.size()) {
        if (response) {
            exchange->trouble = *std::move(response);
        }
        ++exchange->attempt;
        return start(exchange);
    }
    remember(exchange->url(), response);
    --running_;
    next_exchange();
    if (!response && exchange->trouble) {
        return exchange->done(*std::move(exchange->trouble));
    }
    exchange->done(std::move(response));
}

/// The next exchange begins where this one came through, or beside the address where it did not.
void AuthorityUrls::remember(const std::string& url, const Result<http::Response>& response) {
    const auto found = std::ranges::find(urls_, url);
    if (found == urls_.end()) {
        return;  // of a list that was replaced meanwhile
    }
    const auto at = static_cast<std::size_t>(found - urls_.begin());
    if (is_of_the_url(response)) {
        reachable_ = (at + 1) % urls_.size();
    } else if (response) {
        reachable_ = at;
    }
}

}  // namespace hwenroll::runtime
