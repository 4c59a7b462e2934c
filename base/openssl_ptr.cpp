#include "base/openssl_ptr.h"

#include <array>

#include <openssl/err.h>

namespace hwenroll {

std::string take_openssl_errors() {
    std::string text;
    const char* data = nullptr;
    int flags = 0;
    while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
        std::array<char, 256> buffer{};
        const char* reason = ERR_reason_error_string(code);
        if (reason == nullptr) {
            ERR_error_string_n(code, buffer.data(), buffer.size());
            reason = buffer.data();
        }
        text += (text.empty() ? "" : ": ") + std::string(reason);
        if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
            text += " [" + std::string(data) + "]";
        }
    }
    return text;
}

OpenSslErrorScope::OpenSslErrorScope() noexcept {
    ERR_set_mark();
}

OpenSslErrorScope::~OpenSslErrorScope() {
    ERR_pop_to_mark();
}

Error openssl_error(std::string what) {
    return Error(ErrorCode::crypto, std::move(what), take_openssl_errors());
}

Bytes der_of(const std::function<int(unsigned char**)>& encode) {
    const int size = encode(nullptr);
    if (size <= 0) {
        return {};
    }
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* out = der.data();
    if (encode(&out) != size) {
        return {};
    }
    return der;
}

}  // namespace hwenroll
