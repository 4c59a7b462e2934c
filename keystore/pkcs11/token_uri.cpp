#include "keystore/pkcs11/token_uri.h"

#include <cstdlib>

namespace hwenroll::keystore::pkcs11 {

namespace {

using Uri = std::unique_ptr<P11KitUri, UriRelease>;

std::string formatted(P11KitUri* uri, P11KitUriType type) {
    char* text = nullptr;
    if (p11_kit_uri_format(uri, type, &text) != P11_KIT_URI_OK) {
        return {};
    }
    const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);
    return text;
}

Uri uri_with(const CK_TOKEN_INFO& token) {
    Uri uri(p11_kit_uri_new());
    *p11_kit_uri_get_token_info(uri.get()) = token;
    return uri;
}

}  // namespace

Result<TokenUri> TokenUri::parse(const std::string& text) {
    Uri uri(p11_kit_uri_new());
    const int outcome = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_TOKEN, uri.get());
    if (outcome != P11_KIT_URI_OK) {
        const char* const reason = p11_kit_uri_message(outcome);
        return fail(ErrorCode::config_value, "the 'uri' of a token is no RFC 7512 URI",
                    reason == nullptr ? "" : reason);
    }
    if (p11_kit_uri_get_pin_value(uri.get()) != nullptr || p11_kit_uri_get_pin_source(uri.get()) != nullptr) {
        return fail(ErrorCode::config_value, "the 'uri' of a token may hold no pin-value or pin-source", {},
                    "remove it and set 'pin'");
    }
    if (p11_kit_uri_any_unrecognized(uri.get()) != 0 || p11_kit_uri_get_module_name(uri.get()) != nullptr ||
        p11_kit_uri_get_module_path(uri.get()) != nullptr) {
        return fail(ErrorCode::config_value,
                    "the 'uri' of a token may hold only 'token', 'manufacturer', 'serial' and 'model'");
    }
    // p11-kit reports an unknown attribute of the path only. None of the query has a place here.
    if (text.find('?') != std::string::npos) {
        return fail(ErrorCode::config_value, "the 'uri' of a token may hold no query", {},
                    "remove the '?' and what follows it");
    }
    return TokenUri(std::move(uri));
}

bool TokenUri::matches(const CK_TOKEN_INFO& token) const {
    return p11_kit_uri_match_token_info(uri_.get(), &token) != 0;
}

std::string uri_of(const CK_TOKEN_INFO& token) {
    return formatted(uri_with(token).get(), P11_KIT_URI_FOR_TOKEN);
}

std::string key_uri(const CK_TOKEN_INFO& token, ByteView id) {
    const Uri uri = uri_with(token);
    CK_OBJECT_CLASS key_class = CKO_PRIVATE_KEY;
    Bytes id_copy = to_bytes(id);
    CK_ATTRIBUTE class_attribute{CKA_CLASS, &key_class, sizeof key_class};
    CK_ATTRIBUTE id_attribute{CKA_ID, id_copy.data(), id_copy.size()};
    if (p11_kit_uri_set_attribute(uri.get(), &class_attribute) != P11_KIT_URI_OK ||
        p11_kit_uri_set_attribute(uri.get(), &id_attribute) != P11_KIT_URI_OK) {
        return {};
    }
    return formatted(uri.get(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN);
}

}  // namespace hwenroll::keystore::pkcs11
