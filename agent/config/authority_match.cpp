#include "agent/config/authority_match.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace hwenroll::config {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

/// Of a URL that parse_url() has taken.
std::string normal_form(std::string_view url) {
    const std::size_t host = url.find("://") + 3;
    const std::size_t end = std::min(url.find_first_of("/?", host), url.size());
    std::string place = lower(url.substr(0, end));
    const std::string_view own_port = place.starts_with("https:") ? ":443" : ":80";
    if (place.ends_with(own_port)) {
        place.resize(place.size() - own_port.size());
    }
    const std::string_view rest = url.substr(end);
    return place + (rest.starts_with('/') ? "" : "/") + std::string(rest);
}

}  // namespace

bool is_same_authority(const AuthoritySettings& one, const AuthoritySettings& other) {
    const auto is_shared = [&](const std::string& url) {
        return std::ranges::any_of(other.urls,
                                   [&](const std::string& theirs) { return normal_form(url) == normal_form(theirs); });
    };
    return one.name == other.name || (one.identifier == other.identifier && std::ranges::any_of(one.urls, is_shared));
}

}  // namespace hwenroll::config
