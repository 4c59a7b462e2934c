// RFC 7512 URIs that name tokens: from the configuration, and of whatever texts a token shows. The first octet of an
// input says which.
#include <algorithm>
#include <cstring>
#include <set>

#include "keystore/pkcs11/token_uri.h"
#include "tests/fuzz/oracle.h"

using namespace hwenroll;
using namespace hwenroll::keystore::pkcs11;

namespace {

void as_configured(const std::string& text) {
    const auto uri = TokenUri::parse(text);
    fuzz::require(!uri || text.find('?') == std::string::npos, "a query is refused, and with it every PIN (H16)");
    if (uri) {
        return;
    }
    const std::string line = uri.error().line();
    fuzz::require(uri.error().code() == ErrorCode::config_value && line == printable(line, line.size() + 1),
                  "a bad URI is one printable line");
    static std::set<std::string> lines;
    lines.insert(line);
    fuzz::require(lines.size() <= 16, "an error repeats nothing of the URI, which may hold a PIN");
}

/// Takes as much of `rest` as `field` holds; the rest of the field is blanks, as PKCS#11 wants.
template <std::size_t Size>
void fill(CK_UTF8CHAR (&field)[Size], ByteView& rest) {
    const std::size_t size = std::min(Size, rest.size());
    std::memset(field, ' ', Size);
    std::copy_n(rest.begin(), size, field);
    rest = rest.subspan(size);
}

/// A field that begins with NUL counts as absent in p11-kit, and a blank one selects nothing.
bool has_text(ByteView field) {
    return field[0] != 0 && std::ranges::any_of(field, [](std::uint8_t octet) { return octet != ' '; });
}

void as_shown_by_a_token(ByteView rest) {
    CK_TOKEN_INFO token{};
    fill(token.label, rest);
    fill(token.manufacturerID, rest);
    fill(token.model, rest);
    fill(token.serialNumber, rest);
    const std::string written = uri_of(token);
    const auto uri = TokenUri::parse(written);
    fuzz::require(!written.empty() && uri.has_value(), "what is written of a token can be read");
    fuzz::require(uri->matches(token), "a token's URI names that token");
    CK_TOKEN_INFO other = token;
    other.label[0] = token.label[0] == 'x' ? 'y' : 'x';
    fuzz::require(!has_text(ByteView(token.label, sizeof token.label)) || !uri->matches(other),
                  "a token's URI names no other one");
    const std::string key = key_uri(token, rest);
    fuzz::require(!key.empty() && key.find('\n') == std::string::npos, "a key's URI is one line");
    fuzz::require(!TokenUri::parse(key), "a key's URI is none of a token");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        as_configured(std::string(as_text(rest)));
    } else {
        as_shown_by_a_token(rest);
    }
    return 0;
}
