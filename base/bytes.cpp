#include "base/bytes.h"

#include <algorithm>
#include <cctype>

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace hwenroll {

ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view as_text(ByteView octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

Bytes to_bytes(ByteView octets) {
    return {octets.begin(), octets.end()};
}

bool equal(ByteView a, ByteView b) {
    return std::ranges::equal(a, b);
}

std::string to_hex(ByteView octets, char separator) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const std::uint8_t octet : octets) {
        if (separator != '\0' && !out.empty()) {
            out += separator;
        }
        out += digits[octet >> 4U];
        out += digits[octet & 0xFU];
    }
    return out;
}

Result<Bytes> from_hex(std::string_view text) {
    Bytes out;
    int high = -1;
    for (const char c : text) {
        if ((c == ':' || c == ' ') && high < 0) {
            continue;
        }
        const auto u = static_cast<unsigned char>(c);
        if (std::isxdigit(u) == 0) {
            return fail(ErrorCode::config_value,
                        "a hexadecimal string holds the character '" + std::string(1, c) + "'");
        }
        const int digit = std::isdigit(u) != 0 ? c - '0' : std::tolower(u) - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            out.push_back(static_cast<std::uint8_t>(high * 16 + digit));
            high = -1;
        }
    }
    if (high >= 0) {
        return fail(ErrorCode::config_value, "a hexadecimal string has an odd number of digits");
    }
    return out;
}

std::string to_base64(ByteView octets) {
    std::string out((octets.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), octets.data(), static_cast<int>(octets.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

Result<Bytes> from_base64(std::string_view text) {
    std::string packed;
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c)) == 0) {
            packed += c;
        }
    }
    const auto padding = static_cast<std::size_t>(std::count(packed.begin(), packed.end(), '='));
    if (packed.size() % 4 != 0 || padding > 2 || packed.find('=') < packed.size() - padding) {
        return fail(ErrorCode::scep_structure, "base64 text has a wrong length or misplaced padding");
    }
    Bytes out(packed.size() / 4 * 3);
    const int size = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(packed.data()),
                                     static_cast<int>(packed.size()));
    if (size < 0) {
        return fail(ErrorCode::scep_structure, "base64 text holds a character outside its alphabet");
    }
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

Bytes sha256(ByteView octets) {
    Bytes digest(SHA256_DIGEST_LENGTH);
    EVP_Q_digest(nullptr, "SHA256", nullptr, octets.data(), octets.size(), digest.data(), nullptr);
    return digest;
}

}  // namespace hwenroll
