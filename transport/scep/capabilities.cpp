#include "transport/scep/capabilities.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_unknown = 256;     // CAPS-5
constexpr std::size_t max_shown = 64;        // characters of one unknown line
constexpr std::string_view separator = ",";  // of to_text(); no keyword has one

struct Keyword {
    std::string_view name;
    bool Capabilities::*flag;
};

// RFC 8894 §3.5.2, table 3.
constexpr std::array<Keyword, 9> keywords{{{"AES", &Capabilities::aes},
                                           {"DES3", &Capabilities::des3},
                                           {"GetNextCACert", &Capabilities::get_next_ca_cert},
                                           {"POSTPKIOperation", &Capabilities::post_pki_operation},
                                           {"Renewal", &Capabilities::renewal},
                                           {"SHA-1", &Capabilities::sha1},
                                           {"SHA-256", &Capabilities::sha256},
                                           {"SHA-512", &Capabilities::sha512},
                                           {"SCEPStandard", &Capabilities::scep_standard}}};

bool same_word(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

const Keyword* find_keyword(std::string_view word) {
    const auto* found =
        std::ranges::find_if(keywords, [&](const Keyword& keyword) { return same_word(keyword.name, word); });
    return found == keywords.end() ? nullptr : found;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\v\f";
    const std::size_t first = text.find_first_not_of(blanks);
    return first == std::string_view::npos ? std::string_view{}
                                           : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The parts of `text` between any of `separators`, trimmed; empty parts are left out (CAPS-4).
std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(separators), text.size());
        if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) {
            parts.push_back(part);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

/// The words of a body. A single line of comma-separated known keywords is what to_text() writes; nothing else is
/// split at commas, so that prose with `AES, SHA-256` in it announces nothing.
std::vector<std::string_view> words_of(std::string_view body) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (body.starts_with(byte_order_mark)) {
        body.remove_prefix(byte_order_mark.size());
    }
    std::vector<std::string_view> lines = split(body, "\r\n");
    if (lines.size() == 1) {
        std::vector<std::string_view> words = split(lines.front(), separator);
        if (std::ranges::all_of(words, [](std::string_view word) { return find_keyword(word) != nullptr; })) {
            return words;
        }
    }
    return lines;
}

std::string announced(const Capabilities& capabilities) {
    const std::string text = to_text(capabilities);
    return text.empty() ? "the CA announces none of the known capabilities" : "the CA announces " + text;
}

/// ALG-10: the leave to be weaker than the floor is not there, or has ended.
Error not_permitted(std::string_view algorithm, std::string_view part) {
    return Error(ErrorCode::ca_algorithm, fmt::format("requests with {} are not permitted", algorithm),
                 fmt::format("'legacy' has no \"{}\", or 'legacy_until' is over", part),
                 "have the CA's operator enable AES and SHA-256, or permit it until a later date");
}

Result<Digest> choose_digest(const Capabilities& capabilities, const LegacyPermissions& legacy,
                             const std::optional<Digest>& fixed) {
    if (fixed == Digest::sha1 && !legacy.sha1_request) {
        return fail(not_permitted("SHA-1", "sha1-request"));
    }
    if (fixed) {
        return *fixed;
    }
    if (capabilities.allows_sha256()) {
        return Digest::sha256;  // ALG-4
    }
    if (capabilities.sha512) {
        return Digest::sha512;  // ALG-5
    }
    if (legacy.sha1_request) {
        return Digest::sha1;  // ALG-6
    }
    return fail(ErrorCode::ca_algorithm, "the CA offers no digest of SHA-256 or better", announced(capabilities),
                "enable SHA-256 on the CA; if its operator says that it can, set digest = \"sha256\"; or set legacy = "
                "[\"sha1-request\"] with 'legacy_until'");
}

Result<ContentCipher> choose_cipher(const Capabilities& capabilities, const LegacyPermissions& legacy,
                                    const std::optional<ContentCipher>& fixed) {
    if (fixed == ContentCipher::des3 && !legacy.des3) {
        return fail(not_permitted("3DES", "des3"));
    }
    if (fixed) {
        return *fixed;
    }
    if (capabilities.allows_aes()) {
        return ContentCipher::aes128;  // ALG-1
    }
    if (legacy.des3) {
        return ContentCipher::des3;  // ALG-2, ALG-3
    }
    return fail(ErrorCode::ca_algorithm, "the CA offers no AES", announced(capabilities),
                "enable AES on the CA; if its operator says that it can, set cipher = \"aes128\"; or set legacy = "
                "[\"des3\"] with 'legacy_until'");
}

}  // namespace

Capabilities parse_capabilities(ByteView body) {
    Capabilities out;
    bool any_known = false;
    const std::vector<std::string_view> words = words_of(as_text(body));
    for (const std::string_view word : words) {
        if (const Keyword* keyword = find_keyword(word)) {
            out.*(keyword->flag) = true;
            any_known = true;
        } else if (out.unknown.size() < max_unknown) {
            out.unknown.push_back(printable(word, max_shown));
        }
    }
    if (!any_known && !words.empty()) {
        out.warnings.push_back(
            fmt::format("the body does not look like capabilities; it begins with '{}'", out.unknown.front()));
    }
    return out;
}

std::string to_text(const Capabilities& capabilities) {
    std::string text;
    for (const Keyword& keyword : keywords) {
        if (capabilities.*(keyword.flag)) {
            text += fmt::format("{}{}", text.empty() ? "" : ", ", keyword.name);
        }
    }
    return text;
}

Capabilities without_downgrade(Capabilities announced, const Capabilities& before) {
    std::string kept;
    const auto keep = [&](bool Capabilities::*flag) {
        announced.*flag = true;
        const auto* keyword = std::ranges::find(keywords, flag, &Keyword::flag);
        kept += fmt::format("{}{}", kept.empty() ? "" : ", ", keyword->name);
    };
    if (before.allows_aes() && !announced.allows_aes()) {
        keep(&Capabilities::aes);
    }
    if (!announced.allows_sha256() && !announced.sha512 && (before.allows_sha256() || before.sha512)) {
        keep(before.allows_sha256() ? &Capabilities::sha256 : &Capabilities::sha512);
    }
    if (before.allows_post() && !announced.allows_post()) {
        keep(&Capabilities::post_pki_operation);
    }
    if (!kept.empty()) {
        announced.warnings.push_back("announces less than before, without authentication; still used: " + kept);
    }
    return announced;
}

Result<Algorithms> choose_algorithms(const Capabilities& capabilities, const LegacyPermissions& legacy,
                                     const AlgorithmChoice& choice) {
    const Result<Digest> digest = choose_digest(capabilities, legacy, choice.digest);
    if (!digest) {
        return fail(digest.error());
    }
    const Result<ContentCipher> cipher = choose_cipher(capabilities, legacy, choice.cipher);
    if (!cipher) {
        return fail(cipher.error());
    }
    return Algorithms{*digest, *cipher, choice.key_transport};
}

}  // namespace hwenroll::scep
