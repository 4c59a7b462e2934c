#include "transport/http/url.h"

#include <fmt/format.h>

#include "transport/http/curl_ptr.h"

namespace hwenroll::http {
namespace {

constexpr std::size_t word = 32;         // characters of a query value that is shown whole
constexpr std::size_t shown_most = 250;  // characters of a URL in a message

std::string without_credentials(std::string_view head) {
    const auto mark = head.find("://");
    const std::size_t authority = mark == std::string_view::npos ? 0 : mark + 3;
    std::size_t end = mark == std::string_view::npos ? head.size() : head.find('/', authority);
    end = end == std::string_view::npos ? head.size() : end;
    const auto at = head.substr(0, end).rfind('@');
    if (at == std::string_view::npos || at < authority) {
        return std::string(head);
    }
    return std::string(head.substr(0, authority)).append(head.substr(at + 1));
}

}  // namespace

Result<Scheme> scheme_of(const std::string& url) {
    const UrlPtr parsed(curl_url());
    const auto what = [&] { return fmt::format("'{}' cannot be fetched", shown_url(url)); };
    const CURLUcode refused = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
    if (refused != CURLUE_OK) {
        return fail(ErrorCode::config_value, what(), curl_url_strerror(refused));
    }
    char* text = nullptr;
    const CURLUcode missing = curl_url_get(parsed.get(), CURLUPART_SCHEME, &text, 0);
    const TextPtr owner(text);
    if (missing != CURLUE_OK) {
        return fail(ErrorCode::config_value, what(), curl_url_strerror(missing));
    }
    const std::string_view scheme(text);
    if (scheme == "http") {
        return Scheme::http;
    }
    if (scheme == "https") {
        return Scheme::https;
    }
    return fail(ErrorCode::config_value, what(), fmt::format("the scheme is '{}', not http or https", scheme));
}

std::string shown_url(std::string_view url) {
    url = url.substr(0, url.find('#'));
    const auto mark = url.find('?');
    std::string shown = without_credentials(url.substr(0, mark));
    std::string_view query = mark == std::string_view::npos ? std::string_view{} : url.substr(mark);
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&', 1));
        query.remove_prefix(parameter.size());
        const auto equals = parameter.find('=');
        const std::size_t name = equals == std::string_view::npos ? 1 : equals + 1;
        const bool whole = parameter.size() - name <= word;
        shown.append(whole ? parameter : parameter.substr(0, name)).append(whole ? "" : "…");
    }
    return printable(shown, shown_most);
}

std::string shown_address(std::string_view url) {
    return shown_url(url.substr(0, url.find('?')));
}

}  // namespace hwenroll::http
