#include "transport/scep/alternative_name.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <string>

#include "transport/scep/object_identifiers.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_name = 253;    // RFC 1035 §2.3.4, written without the root's dot
constexpr std::size_t max_label = 63;    // RFC 1035 §2.3.4
constexpr std::size_t max_value = 1024;  // of the other kinds; far beyond any real one

bool is_alphanumeric(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x80 && std::isalnum(octet) != 0;
}

/// A host name label; the underscore is no host name character, but CAs issue for it.
bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= max_label && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

/// A DNS name, possibly with `*` as its first label (RFC 6125 §6.4.3).
bool is_dns_name(std::string_view name) {
    if (name.size() > max_name) {
        return false;
    }
    if (name.starts_with("*.")) {
        name.remove_prefix(2);
    }
    while (true) {
        const std::size_t dot = name.find('.');
        if (!is_label(name.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        name.remove_prefix(dot + 1);
    }
}

bool is_visible_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_mailbox(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && is_visible_ascii(text) && is_dns_name(text.substr(at + 1));
}

/// scheme ":" rest (RFC 3986 §3.1); RFC 5280 §4.2.1.6 wants it absolute.
bool is_uri(std::string_view text) {
    const std::size_t colon = text.find(':');
    return colon != std::string_view::npos && colon > 0 && colon + 1 < text.size() && is_visible_ascii(text) &&
           std::isalpha(static_cast<unsigned char>(text.front())) != 0 &&
           std::ranges::all_of(text.substr(0, colon), [](char c) {
               return is_alphanumeric(c) || std::string_view("+-.").find(c) != std::string_view::npos;
           });
}

bool is_user_principal_name(std::string_view text) {
    return text.find('@') != std::string_view::npos && is_utf8(text) &&
           std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

OpenSslPtr<ASN1_STRING> new_string(int type, ByteView octets) {
    OpenSslPtr<ASN1_STRING> string(ASN1_STRING_type_new(type));
    if (string && ASN1_STRING_set(string.get(), octets.data(), static_cast<int>(octets.size())) != 1) {
        string.reset();
    }
    return string;
}

using GeneralName = OpenSslPtr<GENERAL_NAME>;

/// Moves `name` to the end of `names`; the failure of an allocation is all that can go wrong.
Status append(GENERAL_NAMES& names, GeneralName name) {
    if (sk_GENERAL_NAME_push(&names, name.get()) <= 0) {
        return fail(openssl_error("a subject alternative name cannot be stored"));
    }
    static_cast<void>(name.release());
    return {};
}

Status append_string(GENERAL_NAMES& names, int general_name_type, int string_type, ByteView octets) {
    GeneralName name(GENERAL_NAME_new());
    OpenSslPtr<ASN1_STRING> string = new_string(string_type, octets);
    if (!name || !string) {
        return fail(openssl_error("a subject alternative name cannot be made"));
    }
    GENERAL_NAME_set0_value(name.get(), general_name_type, string.release());
    return append(names, std::move(name));
}

Status append_user_principal_name(GENERAL_NAMES& names, std::string_view text) {
    GeneralName name(GENERAL_NAME_new());
    OpenSslPtr<ASN1_OBJECT> type(OBJ_txt2obj(oid_upn, 1));
    OpenSslPtr<ASN1_TYPE> value(ASN1_TYPE_new());
    OpenSslPtr<ASN1_STRING> string = new_string(V_ASN1_UTF8STRING, as_bytes(text));
    if (!name || !type || !value || !string) {
        return fail(openssl_error("a user principal name cannot be made"));
    }
    ASN1_TYPE_set(value.get(), V_ASN1_UTF8STRING, string.release());
    if (GENERAL_NAME_set0_othername(name.get(), type.get(), value.get()) != 1) {
        return fail(openssl_error("a user principal name cannot be made"));
    }
    static_cast<void>(type.release());
    static_cast<void>(value.release());
    return append(names, std::move(name));
}

Status wrong(std::string_view entry, std::string why) {
    return fail(ErrorCode::config_value, "the subject alternative name '" + printable(entry) + "' is not acceptable",
                std::move(why));
}

Status add_address(GENERAL_NAMES& names, std::string_view entry, const std::string& text) {
    std::array<std::uint8_t, 16> octets{};
    std::size_t size = 0;
    if (inet_pton(AF_INET, text.c_str(), octets.data()) == 1) {
        size = 4;
    } else if (inet_pton(AF_INET6, text.c_str(), octets.data()) == 1) {
        size = 16;
    } else {
        return wrong(entry, "it is neither an IPv4 nor an IPv6 address");
    }
    return append_string(names, GEN_IPADD, V_ASN1_OCTET_STRING, ByteView(octets).first(size));
}

}  // namespace

Status add_alternative_name(GENERAL_NAMES& names, std::string_view entry) {
    const std::size_t colon = entry.find(':');
    const std::string_view kind = entry.substr(0, colon);
    const std::string value(colon == std::string_view::npos ? std::string_view{} : entry.substr(colon + 1));
    if (value.empty() || value.size() > max_value || value.find('\0') != std::string::npos) {
        return wrong(entry, "it has no value, or one that is too long; write it as in dns:web01.example.com");
    }
    if (kind == "dns") {
        return is_dns_name(value) ? append_string(names, GEN_DNS, V_ASN1_IA5STRING, as_bytes(value))
                                  : wrong(entry, "it is no DNS name; write international names as xn--");
    }
    if (kind == "ip") {
        return add_address(names, entry, value);
    }
    if (kind == "email") {
        return is_mailbox(value) ? append_string(names, GEN_EMAIL, V_ASN1_IA5STRING, as_bytes(value))
                                 : wrong(entry, "it is no address of the form user@example.com");
    }
    if (kind == "uri") {
        return is_uri(value) ? append_string(names, GEN_URI, V_ASN1_IA5STRING, as_bytes(value))
                             : wrong(entry, "it is no absolute URI");
    }
    if (kind == "upn") {
        return is_user_principal_name(value) ? append_user_principal_name(names, value)
                                             : wrong(entry, "it is no UTF-8 name of the form user@domain");
    }
    return wrong(entry, "its kind is not dns, ip, email, uri or upn");
}

}  // namespace hwenroll::scep
