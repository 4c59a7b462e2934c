#include "agent/publish/key_reference.h"

#include <algorithm>

#include "base/openssl_ptr.h"
#include "base/pem.h"

namespace hwenroll::publish {
namespace {

constexpr std::string_view description = "PKCS#11 Provider URI v1.0";

/// Appends the DER header of a universal tag.
void put_header(Bytes& out, int tag, bool constructed, std::size_t content) {
    const int size = static_cast<int>(content);
    Bytes header(static_cast<std::size_t>(ASN1_object_size(constructed ? 1 : 0, size, tag)) - content);
    unsigned char* at = header.data();
    ASN1_put_object(&at, constructed ? 1 : 0, size, tag, V_ASN1_UNIVERSAL);
    out.insert(out.end(), header.begin(), header.end());
}

void put_string(Bytes& out, int tag, std::string_view text) {
    put_header(out, tag, false, text.size());
    const ByteView octets = as_bytes(text);
    out.insert(out.end(), octets.begin(), octets.end());
}

bool is_key_uri(std::string_view uri) {
    return uri.starts_with("pkcs11:") && uri.size() <= 4096 &&
           std::ranges::all_of(uri, [](unsigned char c) { return c > 0x20 && c < 0x7F; }) &&
           uri.find("pin-value") == std::string_view::npos && uri.find("pin-source") == std::string_view::npos;
}

}  // namespace

bool is_handle_uri(std::string_view uri) {
    constexpr std::string_view scheme = "handle:0x81";
    constexpr std::size_t digits = 6;
    return uri.starts_with(scheme) && uri.size() == scheme.size() + digits &&
           std::ranges::all_of(uri.substr(scheme.size()),
                               [](unsigned char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<std::string> key_reference_pem(std::string_view uri) {
    if (!is_key_uri(uri)) {
        return fail(ErrorCode::publish_write, "a key is to be published by a URI that is no pkcs11: URI without PIN");
    }
    Bytes strings;
    put_string(strings, V_ASN1_VISIBLESTRING, description);
    put_string(strings, V_ASN1_UTF8STRING, uri);
    Bytes sequence;
    put_header(sequence, V_ASN1_SEQUENCE, true, strings.size());
    sequence.insert(sequence.end(), strings.begin(), strings.end());
    return to_pem("PKCS#11 PROVIDER URI", sequence);
}

bool is_wrapped_key(std::string_view pem) {
    constexpr std::string_view begin = "-----BEGIN TSS2 PRIVATE KEY-----\n";
    constexpr std::string_view end = "-----END TSS2 PRIVATE KEY-----\n";
    return pem.starts_with(begin) && pem.ends_with(end) && pem.find("-----", begin.size()) == pem.size() - end.size();
}

Result<std::string> wrapped_key_pem(const std::string& pem) {
    if (!is_wrapped_key(pem)) {
        return fail(ErrorCode::publish_write, "a key is to be published that no TPM has wrapped");
    }
    return pem;
}

}  // namespace hwenroll::publish
