#include "transport/http/transfer.h"

#include <algorithm>
#include <arpa/inet.h>
#include <utility>

#include <fmt/format.h>

#include "base/pem.h"
#include "transport/http/failure.h"
#include "transport/http/redirect.h"

namespace hwenroll::http {
namespace {

/// Sets options until one is refused.
class Options {
 public:
    explicit Options(CURL* easy) : easy_(easy) {}

    template <class Value>
    Options& set(CURLoption option, Value value) {
        accepted_ = accepted_ && curl_easy_setopt(easy_, option, value) == CURLE_OK;
        return *this;
    }
    [[nodiscard]] bool accepted() const { return accepted_; }

 private:
    CURL* easy_;
    bool accepted_ = true;
};

/// A time limit as libcurl takes it, where 0 would mean none.
long at_least_one(std::chrono::milliseconds limit) {
    return static_cast<long>(std::max<std::chrono::milliseconds::rep>(limit.count(), 1));
}

/// With its prefix libcurl takes the text for what it is and never asks the DNS about it, which would block.
std::string local_end(const std::string& bind) {
    in6_addr address{};
    const bool numeric =
        inet_pton(AF_INET, bind.c_str(), &address) == 1 || inet_pton(AF_INET6, bind.c_str(), &address) == 1;
    return (numeric ? "host!" : "if!") + bind;
}

bool append(ListPtr& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) {
        return false;
    }
    static_cast<void>(list.release());
    list.reset(longer);
    return true;
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

}  // namespace

Transfer::Transfer(Request request)
    : request_(std::move(request)), url_(request_.url), easy_(curl_easy_init()), header_(request_.limits.max_header) {}

Result<std::unique_ptr<Transfer>> Transfer::make(Request request, const std::string& user_agent) {
    const auto scheme = scheme_of(request.url);
    if (!scheme) {
        return fail(scheme.error());
    }
    if (request.method == Request::Method::get && request.url.size() > request.limits.max_get_url) {
        return fail(
            ErrorCode::ca_url_too_long, fmt::format("GET {} was not sent", shown_url(request.url)),
            fmt::format("the URL has {} characters, the limit is {}", request.url.size(), request.limits.max_get_url));
    }
    if (request.method == Request::Method::handshake && *scheme != Scheme::https) {
        return fail(ErrorCode::config_value, fmt::format("no TLS handshake with {}", shown_url(request.url)),
                    "only https: has one");
    }
    if (has_control_character(request.content_type)) {
        return fail(ErrorCode::config_value, fmt::format("POST {} was not sent", shown_url(request.url)),
                    "the content type has a control character");
    }
    std::unique_ptr<Transfer> transfer(new Transfer(std::move(request)));
    transfer->scheme_ = *scheme;
    const bool ready = transfer->easy_ != nullptr && transfer->set_transport() && transfer->set_tls() &&
                       transfer->set_reply_limits() && transfer->set_request(user_agent) && transfer->set_hop();
    if (!ready) {
        return fail(ErrorCode::internal, transfer->what() + " was not sent",
                    fmt::format("{} refuses an option", curl_version()));
    }
    return transfer;
}

bool Transfer::set_transport() {
    Options options(easy_.get());
    // Without QUICK_EXIT the end of a handle waits for a resolver thread that hangs on a dead DNS server.
    options.set(CURLOPT_NOSIGNAL, 1L).set(CURLOPT_QUICK_EXIT, 1L);
    options.set(CURLOPT_PROTOCOLS_STR, "http,https")
        .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    options.set(CURLOPT_HTTP09_ALLOWED, 0L).set(CURLOPT_FOLLOWLOCATION, 0L);
    options.set(CURLOPT_PATH_AS_IS, 1L);
    // Empty, not absent: absent means http_proxy and no_proxy of the environment.
    options.set(CURLOPT_PROXY, request_.route.proxy.c_str()).set(CURLOPT_NOPROXY, "");
    options.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    options.set(CURLOPT_CONNECTTIMEOUT_MS, at_least_one(request_.limits.connect_timeout));
    if (!request_.route.bind.empty()) {
        options.set(CURLOPT_INTERFACE, local_end(request_.route.bind).c_str());
    }
    return options.accepted();
}

bool Transfer::set_tls() {
    Options options(easy_.get());
    options.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    options.set(CURLOPT_SSL_VERIFYPEER, 1L).set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!request_.route.tls_ca.empty()) {
        // The built-in directory would go on being trusted beside the file.
        options.set(CURLOPT_CAINFO, request_.route.tls_ca.c_str()).set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
    }
    return options.accepted();
}

bool Transfer::set_handshake() {
    Options options(easy_.get());
    options.set(CURLOPT_CONNECT_ONLY, 1L).set(CURLOPT_CERTINFO, 1L);
    options.set(CURLOPT_SSL_VERIFYPEER, 0L).set(CURLOPT_SSL_VERIFYHOST, 0L);
    // A resumed session shows the certificate that it began with; the server need not speak HTTP.
    options.set(CURLOPT_SSL_SESSIONID_CACHE, 0L).set(CURLOPT_SSL_ENABLE_ALPN, 0L);
    if (request_.connect_to.empty()) {
        return options.accepted();
    }
    const bool listed = append(connect_to_, "::" + request_.connect_to);
    options.set(CURLOPT_CONNECT_TO, connect_to_.get());
    return listed && options.accepted();
}

bool Transfer::set_reply_limits() {
    Options options(easy_.get());
    options.set(CURLOPT_ERRORBUFFER, curl_text_.data());
    options.set(CURLOPT_HEADERFUNCTION, &Transfer::on_header).set(CURLOPT_HEADERDATA, this);
    options.set(CURLOPT_WRITEFUNCTION, &Transfer::on_body).set(CURLOPT_WRITEDATA, this);
    options.set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.limits.max_body));
    return options.accepted();
}

bool Transfer::set_request(const std::string& user_agent) {
    if (request_.method == Request::Method::handshake) {
        return set_handshake();
    }
    Options options(easy_.get());
    options.set(CURLOPT_USERAGENT, user_agent.c_str());
    options.set(CURLOPT_FRESH_CONNECT, request_.once ? 1L : 0L);
    bool listed = true;
    if (request_.method == Request::Method::post) {
        options.set(CURLOPT_POST, 1L).set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
        options.set(CURLOPT_POSTFIELDS, request_.body.empty() ? "" : as_text(request_.body).data());
        const std::string type = request_.content_type.empty() ? "" : " " + request_.content_type;
        listed = append(headers_, "Content-Type:" + type) && append(headers_, "Expect:");
    } else {
        options.set(CURLOPT_HTTPGET, 1L);
        listed = append(headers_, "Cache-Control: no-cache") && append(headers_, "Pragma: no-cache");
    }
    options.set(CURLOPT_HTTPHEADER, headers_.get());
    return listed && options.accepted();
}

bool Transfer::set_hop() {
    const auto left = request_.limits.exchange_timeout - std::chrono::duration_cast<std::chrono::milliseconds>(spent_);
    Options options(easy_.get());
    options.set(CURLOPT_URL, url_.c_str()).set(CURLOPT_TIMEOUT_MS, at_least_one(left));
    options.set(CURLOPT_LOW_SPEED_LIMIT, 0L).set(CURLOPT_LOW_SPEED_TIME, 0L);
    return options.accepted();
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->take_header({data, size * count});
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->take_body({data, size * count});
}

std::size_t Transfer::take_header(std::string_view line) {
    const auto verdict = header_.take(line);
    if (verdict != ReplyHeader::Verdict::acceptable) {
        stop_ = verdict == ReplyHeader::Verdict::coded ? Stop::coding : Stop::header;
        return CURL_WRITEFUNC_ERROR;
    }
    if (header_.complete()) {
        // Only now: a CA that thinks before it answers is slow, not stalled.
        Options(easy_.get())
            .set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(request_.limits.min_rate))
            .set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request_.limits.min_rate_time.count()));
    }
    return line.size();
}

std::size_t Transfer::take_body(std::string_view octets) {
    if (octets.size() > request_.limits.max_body - body_.size()) {
        stop_ = Stop::body;
        return CURL_WRITEFUNC_ERROR;
    }
    const ByteView view = as_bytes(octets);
    body_.insert(body_.end(), view.begin(), view.end());
    return octets.size();
}

std::optional<Result<Response>> Transfer::end_hop(CURLcode verdict) {
    if (stop_ != Stop::none) {
        return Result<Response>(fail(stopped()));
    }
    if (verdict != CURLE_OK) {
        return Result<Response>(fail(failed(verdict)));
    }
    if (request_.method == Request::Method::handshake) {
        return served_certificate();
    }
    if (header_.status() < 300 || header_.status() > 399) {
        return Result<Response>(response());
    }
    const char* location = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &location);
    Redirection redirection{request_.method, header_.status(), url_, location == nullptr ? "" : location, followed_};
    const auto follow = must_follow(redirection, request_.limits.max_redirects);
    if (!follow) {
        return Result<Response>(fail(follow.error()));
    }
    if (!*follow) {
        return Result<Response>(response());
    }
    curl_off_t elapsed = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &elapsed);
    spent_ += std::chrono::microseconds(elapsed);
    ++followed_;
    url_ = std::move(redirection.location);
    scheme_ = scheme_of(url_).value_or(scheme_);
    header_.next_reply();
    body_.clear();
    if (!set_hop()) {
        return Result<Response>(fail(ErrorCode::internal, what() + " was not sent", "libcurl refuses the URL"));
    }
    return std::nullopt;
}

std::string Transfer::what() const {
    if (request_.method == Request::Method::handshake) {
        return fmt::format("the TLS handshake with {}",
                           request_.connect_to.empty() ? shown_url(url_) : printable(request_.connect_to, 300));
    }
    return fmt::format("{} {}", request_.method == Request::Method::post ? "POST" : "GET", shown_url(url_));
}

Error Transfer::stopped() const {
    const Limits& limits = request_.limits;
    if (stop_ == Stop::body) {
        return Error(ErrorCode::ca_too_big, what() + " was given up",
                     fmt::format("the body has more than {} octets", limits.max_body));
    }
    if (stop_ == Stop::header) {
        return Error(ErrorCode::ca_http, what() + " was given up",
                     fmt::format("the header has more than {} octets", limits.max_header));
    }
    return Error(ErrorCode::ca_http, what() + " was given up",
                 fmt::format("the reply is coded as '{}', which was not asked for", printable(header_.coding(), 64)));
}

Error Transfer::failed(CURLcode verdict) const {
    Failure failure;
    failure.code = verdict;
    failure.why = curl_text_[0] == '\0' ? curl_easy_strerror(verdict) : curl_text_.data();
    failure.what = what();
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &failure.os_error);
    // Set once the connection, proxy and TLS included, stands and the request is next (CURLINFO_PRETRANSFER_TIME_T(3)).
    curl_off_t connected_at = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_at);
    failure.request_began = connected_at > 0;
    failure.reply_began = header_.began();
    failure.reply_header = header_.complete();
    failure.tls = scheme_ == Scheme::https;
    failure.proxied = !request_.route.proxy.empty();
    failure.own_tls_ca = !request_.route.tls_ca.empty();
    return to_error(failure);
}

/// libcurl lists the server's certificates, its own first, as lines `Name:value`; the one named Cert is a PEM.
Result<Response> Transfer::served_certificate() const {
    const curl_certinfo* certificates = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_CERTINFO, &certificates);
    const bool any = certificates != nullptr && certificates->num_of_certs > 0;
    constexpr std::string_view name = "Cert:";
    for (const curl_slist* line = any ? certificates->certinfo[0] : nullptr; line != nullptr; line = line->next) {
        const std::string_view text(line->data);
        if (!text.starts_with(name)) {
            continue;
        }
        const auto read = certificates_from_pem(text.substr(name.size()));
        if (!read) {
            return fail(read.error());
        }
        Response response;
        response.body = read->front().der();
        return response;
    }
    return fail(ErrorCode::ca_unreachable, what() + " showed no certificate", curl_version());
}

Response Transfer::response() {
    Response response;
    response.status = header_.status();
    response.content_type = header_.content_type();
    response.body = std::move(body_);
    response.effective_url = url_;
    response.retry_after = header_.retry_after(request_.limits);
    response.date = header_.date();
    return response;
}

}  // namespace hwenroll::http
