// [ca.*].
#include <algorithm>

#include <fmt/format.h>

#include "agent/config/sections.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

Result<std::string> parse_preset_url(std::string_view text, std::string_view path) {
    if (text.find_first_of("/?#") != std::string_view::npos) {
        return parse_scep_url(text);
    }
    if (auto completed = parse_url(fmt::format("http://{}{}", text, path))) {
        return completed;
    }
    return fail(ErrorCode::config_value, "is neither a full URL nor a host", {},
                "write it as in ca.example.com or http://ca.example.com/scep");
}

Result<std::string> parse_cisco_ios_url(std::string_view text) {
    return parse_preset_url(text, "/pkiclient.exe");
}

Result<std::string> parse_ndes_url(std::string_view text) {
    return parse_preset_url(text, "/certsrv/mscep/mscep.dll");
}

/// Is the value of `key` a list of nothing? One whose elements were all refused is another fault.
bool is_empty_list(SectionReader& reader, std::string_view key) {
    const Value* const value = reader.find(key);
    const auto* const list = value == nullptr ? nullptr : value->get<Array>();
    return list != nullptr && list->empty();
}

void read_urls(SectionReader& reader, AuthoritySettings& authority) {
    reader.read_choice("preset", authority.preset, presets);
    if (reader.find("url") == nullptr) {
        reader.report_at(reader.at(), ErrorCode::config_missing, fmt::format("{} has no 'url'", reader.title()), {},
                         "add a line like url = \"http://ca.example.com/scep\"");
    }
    switch (authority.preset) {
        case Preset::none:
            reader.read_list("url", authority.urls, parse_scep_url);
            break;
        case Preset::cisco_ios:
            reader.read_list("url", authority.urls, parse_cisco_ios_url);
            break;
        case Preset::ndes:
            reader.read_list("url", authority.urls, parse_ndes_url);
            break;
    }
    if (is_empty_list(reader, "url")) {
        reader.report("url", ErrorCode::config_value, "names no address of the CA");
    }
}

/// A list of fingerprints that belongs to one value of another key, and that value to it.
void read_pins_of(SectionReader& reader, std::string_view key, std::vector<Bytes>& pins, bool wanted,
                  std::string_view rule) {
    reader.read_list(key, pins, parse_fingerprint);
    const bool there = reader.find(key) != nullptr;
    if (there && !wanted) {
        reader.report(key, ErrorCode::config_value, fmt::format("counts only with {}", rule), {},
                      fmt::format("add {} or remove the key", rule));
    } else if (wanted && !there) {
        reader.report_at(reader.at(), ErrorCode::config_missing,
                         fmt::format("{} has {} but no '{}'", reader.title(), rule, key), {},
                         fmt::format("add a line like {} = \"SHA256:…\"", key));
    } else if (is_empty_list(reader, key)) {
        reader.report(key, ErrorCode::config_value, "pins no certificate");
    }
}

void read_trust(SectionReader& reader, AuthoritySettings& authority) {
    if (reader.find("fingerprint") == nullptr) {
        reader.report_at(
            reader.at(), ErrorCode::config_missing, fmt::format("{} has no 'fingerprint'", reader.title()),
            "without it any server could pose as the CA",
            "ask the CA's operator for the SHA-256 of its certificate, compare with 'hwenroll ca show URL' "
            "and add fingerprint = \"SHA256:…\"");
    }
    reader.read_list("fingerprint", authority.fingerprints, parse_fingerprint);
    if (is_empty_list(reader, "fingerprint")) {
        reader.report("fingerprint", ErrorCode::config_value, "pins no certificate");
    }
    reader.read_choice("ra", authority.ra, ra_rules);
    read_pins_of(reader, "ra_fingerprints", authority.ra_fingerprints, authority.ra == RaRule::pinned,
                 "ra = \"pinned\"");
    reader.read_choice("rollover", authority.rollover, rollover_rules);
    read_pins_of(reader, "next_fingerprint", authority.next_fingerprints,
                 authority.rollover == RolloverRule::fingerprint, "rollover = \"fingerprint\"");
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

Result<bool LegacySettings::*> parse_legacy(std::string_view text) {
    for (const auto& [word, part] : legacy_parts) {
        if (word == text) {
            return part;
        }
    }
    return fail(ErrorCode::config_value, fmt::format("does not know \"{}\"", text), {},
                "use \"des-cbc-reply\", \"des3\", \"sha1-reply\" or \"sha1-request\"");
}

void read_legacy(SectionReader& reader, LegacySettings& legacy) {
    std::vector<bool LegacySettings::*> parts;
    reader.read_list("legacy", parts, parse_legacy);
    for (bool LegacySettings::*const part : parts) {
        legacy.*part = true;
    }
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

/// ALG-10: what is weaker than the floor is used for as long as `legacy` permits it, and no longer.
void check_weak_choices(SectionReader& reader, const AuthoritySettings& authority) {
    constexpr const char* why = "it is weaker than what every CA has to offer";
    if (authority.cipher == CipherChoice::des3 && !authority.legacy.des3) {
        reader.report("cipher", ErrorCode::config_value, "is \"des3\", and 'legacy' does not permit it", why,
                      "add \"des3\" to 'legacy', with 'legacy_until'");
    }
    if (authority.digest == DigestChoice::sha1 && !authority.legacy.sha1_request) {
        reader.report("digest", ErrorCode::config_value, "is \"sha1\", and 'legacy' does not permit it", why,
                      "add \"sha1-request\" to 'legacy', with 'legacy_until'");
    }
}

Result<std::vector<Resync>> parse_resync(std::string_view text) {
    std::vector<Resync> steps;
    while (true) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view word = text.substr(0, comma);
        const auto* const step = std::find_if(resync_steps.begin(), resync_steps.end(),
                                              [&](const auto& known) { return known.first == word; });
        if (step == resync_steps.end() || std::ranges::find(steps, step->second) != steps.end()) {
            return fail(ErrorCode::config_value, "is no list of same, poll and new, each at most once", {},
                        "write it as in \"same,poll,new\"");
        }
        steps.push_back(step->second);
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
    reader.read_choice("renewal_type", type, renewal_types);
}

void read_protocol(SectionReader& reader, AuthoritySettings& authority) {
    if (const std::string* const identifier = reader.text("identifier")) {
        authority.identifier = *identifier;
        if (std::ranges::any_of(*identifier, [](unsigned char c) { return c < 0x20 || c == 0x7F; }) ||
            identifier->size() > 256) {
            reader.report("identifier", ErrorCode::config_value, "holds control characters or more than 256 octets");
        }
    }
    reader.read_choice("http", authority.http, http_methods);
    read_renewal_type(reader, authority.renewal_type);
    reader.read_choice("renewal_challenge", authority.renewal_sends_challenge, renewal_challenges);
    reader.read("txid", authority.transaction_id, parse_transaction_id_rule);
    reader.read("resync", authority.resync, parse_resync);
    reader.read_choice("switch_at", authority.switch_at, switch_times);
    reader.read_choice("envelope", authority.envelope, envelope_modes);
    reader.read_choice("challenge_encoding", authority.challenge_encoding, challenge_encodings);
    reader.read_choice("crl", authority.crl, crl_sources);
    reader.read_choice("cipher", authority.cipher, cipher_choices);
    reader.read_choice("digest", authority.digest, digest_choices);
    reader.read_choice("key_transport", authority.key_transport, key_transports);
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
    read_urls(reader, authority);
    read_trust(reader, authority);
    reader.read("challenge", authority.challenge, parse_secret_source);
    read_protocol(reader, authority);
    read_legacy(reader, authority.legacy);
    check_weak_choices(reader, authority);
    read_route(reader, authority);
    return reader.finish() ? std::optional(authority) : std::nullopt;
}

}  // namespace hwenroll::config
