// The addresses of one CA: which of them an exchange goes to, and which comes next where one fails.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "transport/http/exchange.h"

namespace hwenroll::runtime {

/// On the loop's thread, as a member of its owner. At most two exchanges at a time (design, "Identity = client").
///
/// The next address is asked where one cannot be reached, does not answer in time, closes the connection before its
/// answer is whole, or answers that the server is in trouble (5xx but 501). A message (http::Request::once) goes
/// elsewhere only where no connection came about: whatever else became of it, it may have arrived, and 502 and 503 do
/// not say who answered, so it goes to no second server as it is. Its next send, signed anew with a nonce of its own
/// (MSG-7), begins at the next address.
class AuthorityUrls {
 public:
    using MakeRequest = std::function<http::Request(const std::string& url)>;
    using Done = std::function<void(Result<http::Response>)>;

    /// `client` outlives it; `urls` are not none.
    AuthorityUrls(http::Client& client, std::vector<std::string> urls) : client_(client), urls_(std::move(urls)) {}

    /// Other addresses; what is under way goes on with those that it began with. The first of them comes first again.
    void replace(std::vector<std::string> urls);

    /// Makes a request for one address after the other until one answers, and hands out that answer: the last one, or
    /// an HTTP error where nothing came after it. `owner`, which holds this, is kept while the exchange is under way:
    /// its CA may leave the configuration meanwhile.
    void exchange(MakeRequest request, Done done, std::weak_ptr<void> owner);

 private:
    struct Exchange {
        MakeRequest request;
        Done done;
        std::weak_ptr<void> owner;
        std::vector<std::string> urls = {};  ///< as they were when it began
        std::size_t first = 0;               ///< of these the one that it began with
        std::size_t attempt = 0;
        std::optional<http::Response> trouble = {};  ///< what an earlier address answered
        [[nodiscard]] const std::string& url() const { return urls[(first + attempt) % urls.size()]; }
    };

    void next_exchange();
    void start(const std::shared_ptr<Exchange>& exchange);
    void answered(const std::shared_ptr<Exchange>& exchange, bool once, Result<http::Response> response);
    void remember(const std::string& url, const Result<http::Response>& response);

    http::Client& client_;
    std::vector<std::string> urls_;
    std::size_t reachable_ = 0;
    int running_ = 0;
    std::deque<std::shared_ptr<Exchange>> queued_;
};

}  // namespace hwenroll::runtime
