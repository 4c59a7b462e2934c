// [ca.*].
#include <algorithm>

#include <fmt/format.h>

#include "agent/config/sections.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

void read_trust(SectionReader& reader, AuthoritySettings& authority) {
    if (reader.find("url") == nullptr) {
        reader.report_at(reader.at(), ErrorCode::config_missing, fmt::format("{} has no 'url'", reader.title()), {},
                         "add a line like url = \"http://ca.example.com/scep\"");
    }
    reader.read_list("url", authority.urls, parse_url);
    if (reader.find("url") != nullptr && authority.urls.empty()) {
        reader.report("url", ErrorCode::config_value, "names no address of the CA");
    }
    if (reader.find("fingerprint") == nullptr) {
        reader.report_at(
            reader.at(), ErrorCode::config_missing, fmt::format("{} has no 'fingerprint'", reader.title()),
            "without it any server could pose as the CA",
            "ask the CA's operator for the SHA-256 of its certificate, compare with 'hwenroll ca show URL' "
            "and add fingerprint = \"SHA256:…\"");
    }
    reader.read_list("fingerprint", authority.fingerprints, parse_fingerprint);
    if (reader.find("fingerprint") != nullptr && authority.fingerprints.empty()) {
        reader.report("fingerprint", ErrorCode::config_value, "pins no certificate");
    }
}

/// The first second after the day; nothing (with a finding) when the value is no date.
std::optional<TimePoint> read_last_day(SectionReader& reader, std::string_view key) {
    const Value* const value = reader.find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    std::chrono::year_month_day date{};
    if (const auto* const written = value->get<std::chrono::year_month_day>()) {
        date = *written;
    } else {
        reader.read(key, date, parse_date);
    }
    if (!date.ok()) {
        return std::nullopt;
    }
    return TimePoint(std::chrono::sys_days(date) + std::chrono::days(1));
}

Result<std::string> parse_legacy(std::string_view text) {
    for (const std::string_view word : {"des-cbc-reply", "des3", "sha1-reply", "sha1-request"}) {
        if (word == text) {
            return std::string(text);
        }
    }
    return fail(ErrorCode::config_value, fmt::format("does not know \"{}\"", text), {},
                "use \"des-cbc-reply\", \"des3\", \"sha1-reply\" or \"sha1-request\"");
}

void read_legacy(SectionReader& reader, LegacySettings& legacy) {
    std::vector<std::string> words;
    reader.read_list("legacy", words, parse_legacy);
    const auto has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
    legacy.des_cbc_reply = has("des-cbc-reply");
    legacy.des3 = has("des3");
    legacy.sha1_reply = has("sha1-reply");
    legacy.sha1_request = has("sha1-request");
    legacy.until = read_last_day(reader, "legacy_until");
    const bool dated = reader.find("legacy_until") != nullptr;
    if (legacy.any() && !dated) {
        reader.report("legacy", ErrorCode::config_missing, "has no end",
                      "weak algorithms are allowed only until a date", "add a line like legacy_until = \"2027-12-31\"");
    } else if (dated && reader.find("legacy") == nullptr) {
        reader.report("legacy_until", ErrorCode::config_value, "has no 'legacy' to end", {},
                      "remove it or add 'legacy'");
    }
}

Result<std::vector<Resync>> parse_resync(std::string_view text) {
    std::vector<Resync> steps;
    while (true) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view word = text.substr(0, comma);
        const std::optional<Resync> step = word == "same"   ? std::optional(Resync::same)
                                           : word == "poll" ? std::optional(Resync::poll)
                                           : word == "new"  ? std::optional(Resync::fresh)
                                                            : std::nullopt;
        if (!step || std::ranges::find(steps, *step) != steps.end()) {
            return fail(ErrorCode::config_value, "is no list of same, poll and new, each at most once", {},
                        "write it as in \"same,poll,new\"");
        }
        steps.push_back(*step);
        if (comma == text.size()) {
            return steps;
        }
        text.remove_prefix(comma + 1);
    }
}

/// 17 and 19 may be written as numbers too.
void read_renewal_type(SectionReader& reader, RenewalType& type) {
    const Value* const value = reader.find("renewal_type");
    const auto* const number = value == nullptr ? nullptr : value->get<std::int64_t>();
    if (number != nullptr && (*number == 17 || *number == 19)) {
        type = *number == 17 ? RenewalType::renewal_req : RenewalType::pkcs_req;
        return;
    }
    reader.read_choice<RenewalType>(
        "renewal_type", type,
        {{"auto", RenewalType::automatic}, {"17", RenewalType::renewal_req}, {"19", RenewalType::pkcs_req}});
}

void read_protocol(SectionReader& reader, AuthoritySettings& authority) {
    if (const std::string* const identifier = reader.text("identifier")) {
        authority.identifier = *identifier;
        if (std::ranges::any_of(*identifier, [](unsigned char c) { return c < 0x20 || c == 0x7F; }) ||
            identifier->size() > 256) {
            reader.report("identifier", ErrorCode::config_value, "holds control characters or more than 256 octets");
        }
    }
    reader.read_choice<HttpMethod>(
        "http", authority.http,
        {{"auto", HttpMethod::automatic}, {"get", HttpMethod::get}, {"post", HttpMethod::post}});
    read_renewal_type(reader, authority.renewal_type);
    reader.read_choice<bool>("renewal_challenge", authority.renewal_sends_challenge, {{"omit", false}, {"send", true}});
    reader.read("txid", authority.transaction_id, parse_transaction_id_rule);
    reader.read("resync", authority.resync, parse_resync);
    reader.read_choice<SwitchAt>(
        "switch_at", authority.switch_at,
        {{"ca-expiry", SwitchAt::ca_expiry}, {"not-before", SwitchAt::not_before}, {"now", SwitchAt::now}});
    reader.read_only_choice("envelope", "auto", {"password", "token-rsa", "agree"});
    reader.read_only_choice("challenge_encoding", "auto", {"printable", "utf8"});
    reader.read_only_choice("ra", "eku", {"pinned", "issued-by-ca"});
    reader.read_only_choice("rollover", "signature", {"fingerprint", "operator"});
    reader.read_only_choice("crl", "off", {"scep", "cdp"});
    for (const char* key : {"preset", "ra_fingerprints", "next_fingerprint"}) {
        reader.not_yet(key);
    }
}

void read_route(SectionReader& reader, AuthoritySettings& authority) {
    reader.read("proxy", authority.proxy, parse_url);
    reader.read("tls_ca", authority.tls_ca, parse_path);
    reader.read("bind", authority.bind, parse_bind);
}

}  // namespace

std::optional<AuthoritySettings> read_authority(SectionReader& reader, std::string_view name) {
    AuthoritySettings authority;
    authority.name = name;
    read_trust(reader, authority);
    reader.read("challenge", authority.challenge, parse_secret_source);
    read_protocol(reader, authority);
    read_legacy(reader, authority.legacy);
    read_route(reader, authority);
    return reader.finish() ? std::optional(authority) : std::nullopt;
}

}  // namespace hwenroll::config
