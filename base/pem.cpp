#include "base/pem.h"

#include <algorithm>
#include <array>

#include <openssl/pem.h>

namespace hwenroll {
namespace {

constexpr std::size_t octets_of_line = 48;
constexpr std::size_t characters_of_line = 64;

/// Decodes the base64 at text[begin, end) to the front of `text`. Four characters make three octets at most, so what is
/// written never overtakes what is read. False when it is no base64.
bool decode_in_place(Bytes& text, std::size_t begin, std::size_t end) {
    constexpr std::size_t step = 4096;
    std::array<unsigned char, step> characters{};
    std::array<unsigned char, step / 4 * 3> octets{};
    std::size_t written = 0;
    std::size_t padding = 0;
    while (begin < end) {
        std::size_t count = 0;
        for (; begin < end && count < step; ++begin) {
            const unsigned char one = text[begin];
            if (one == '\n' || one == '\r' || one == ' ' || one == '\t') {
                continue;
            }
            if (one == '=') {
                ++padding;
            } else if (padding > 0) {
                return false;
            }
            characters[count++] = one;
        }
        // EVP_DecodeBlock(3): octets that stand for padding are counted, and blanks at the ends are gone already.
        const int size = EVP_DecodeBlock(octets.data(), characters.data(), static_cast<int>(count));
        if (size != static_cast<int>(count / 4 * 3) || count % 4 != 0) {
            return false;
        }
        std::copy_n(octets.begin(), size, text.begin() + static_cast<std::ptrdiff_t>(written));
        written += static_cast<std::size_t>(size);
    }
    if (padding > 2 || padding > written) {
        return false;
    }
    text.resize(written - padding);
    return true;
}

}  // namespace

std::string to_pem(std::string_view label, ByteView der) {
    std::string text;
    text.reserve(2 * (label.size() + std::string_view("-----BEGIN -----\n").size()) +
                 (der.size() / octets_of_line + 1) * (characters_of_line + 1));
    pem_pieces(label, der, [&](std::string_view piece) {
        text += piece;
        return true;
    });
    return text;
}

void pem_pieces(std::string_view label, ByteView der, const std::function<bool(std::string_view)>& take) {
    constexpr std::size_t lines = 256;
    if (!take("-----BEGIN " + std::string(label) + "-----\n")) {
        return;
    }
    std::array<unsigned char, characters_of_line + 1> line{};  // EVP_EncodeBlock ends it with a NUL
    std::string piece;
    while (!der.empty()) {
        piece.clear();
        for (std::size_t i = 0; i < lines && !der.empty(); ++i) {
            const ByteView part = der.first(std::min(der.size(), octets_of_line));
            const int size = EVP_EncodeBlock(line.data(), part.data(), static_cast<int>(part.size()));
            piece += as_text({line.data(), static_cast<std::size_t>(size)});
            piece += '\n';
            der = der.subspan(part.size());
        }
        if (!take(piece)) {
            return;
        }
    }
    take("-----END " + std::string(label) + "-----\n");
}

std::string to_pem(const Certificate& certificate) {
    return to_pem("CERTIFICATE", certificate.der());
}

std::vector<Bytes> blocks_from_pem(std::string_view text, std::initializer_list<std::string_view> labels) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    std::vector<Bytes> out;
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    while (PEM_read_bio(in.get(), &name, &header, &data, &size) == 1) {
        const OpenSslMemory<char> owned_name(name);
        const OpenSslMemory<char> owned_header(header);
        const OpenSslMemory<unsigned char> owned_data(data);
        if (std::ranges::find(labels, std::string_view(name)) != labels.end()) {
            out.emplace_back(data, data + size);
        }
    }
    take_openssl_errors();  // the end of input leaves "no start line" behind
    return out;
}

Result<Bytes> block_from_pem(Bytes text, std::string_view label) {
    const std::string_view all = as_text(text);
    const std::string first = "-----BEGIN " + std::string(label) + "-----";
    const std::size_t line = all.find(first);
    const std::size_t begin = line == std::string_view::npos ? line : line + first.size();
    const std::size_t end = line == std::string_view::npos ? line : all.find("-----END", begin);
    if (end == std::string_view::npos) {
        return fail(ErrorCode::scep_structure, "the text holds no PEM block of label " + std::string(label));
    }
    const bool decoded = decode_in_place(text, begin, end);
    take_openssl_errors();
    if (!decoded) {
        return fail(ErrorCode::scep_structure,
                    "the PEM block of label " + std::string(label) + " holds what is no base64");
    }
    return text;
}

Result<std::vector<Bytes>> certificate_ders_from_pem(std::string_view text) {
    std::vector<Bytes> out = blocks_from_pem(text, {PEM_STRING_X509, PEM_STRING_X509_OLD});
    if (out.empty()) {
        return fail(ErrorCode::scep_structure, "the text holds no PEM certificate");
    }
    return out;
}

Result<std::vector<Certificate>> certificates_from_pem(std::string_view text) {
    const auto ders = certificate_ders_from_pem(text);
    if (!ders) {
        return fail(ders.error());
    }
    std::vector<Certificate> out;
    for (const Bytes& der : *ders) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        out.push_back(*std::move(certificate));
    }
    return out;
}

Result<OpenSslPtr<EVP_PKEY>> private_key_from_pem(std::string_view text) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    // An encrypted key must not make libcrypto ask on the terminal.
    const auto no_password = [](char*, int, int, void*) { return -1; };
    OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
    if (!key) {
        return fail(ErrorCode::scep_structure, "the text holds no readable private key", take_openssl_errors(),
                    "give an unencrypted PEM");
    }
    return key;
}

}  // namespace hwenroll
