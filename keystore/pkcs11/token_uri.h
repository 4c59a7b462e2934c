// RFC 7512 URIs that name tokens and keys. Internal to keystore/pkcs11.
#pragma once

#include <memory>
#include <string>

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "base/bytes.h"

namespace hwenroll::keystore::pkcs11 {

struct UriRelease {
    void operator()(P11KitUri* uri) const noexcept { p11_kit_uri_free(uri); }
};

/// Names a token by token, manufacturer, serial and model; what is left out matches anything.
class TokenUri {
 public:
    /// Reads `text`. Slot, object and library attributes, PINs and unknown attributes are refused: a token is never
    /// matched by its slot, and a PIN has its own source. `text` is not repeated in errors, since it may hold a PIN.
    /// Error code: config_value.
    static Result<TokenUri> parse(const std::string& text);

    [[nodiscard]] bool matches(const CK_TOKEN_INFO& token) const;

 private:
    explicit TokenUri(std::unique_ptr<P11KitUri, UriRelease> uri) : uri_(std::move(uri)) {}
    std::unique_ptr<P11KitUri, UriRelease> uri_;
};

/// The URI of a token: its model, manufacturer, serial and label. Empty if p11-kit cannot make one.
std::string uri_of(const CK_TOKEN_INFO& token);

/// The URI of the private key with CKA_ID `id` on `token`. Empty if p11-kit cannot make one.
std::string key_uri(const CK_TOKEN_INFO& token, ByteView id);

}  // namespace hwenroll::keystore::pkcs11
