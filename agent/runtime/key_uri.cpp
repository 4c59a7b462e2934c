#include "agent/runtime/key_uri.h"

namespace hwenroll::runtime {

std::string key_uri(std::string_view token_uri, ByteView key_id) {
    std::string uri(token_uri.substr(0, token_uri.find('?')));
    uri += uri.ends_with(':') ? "id=" : ";id=";
    for (const std::uint8_t octet : key_id) {
        uri += "%" + to_hex({&octet, 1});
    }
    return uri + ";type=private";
}

}  // namespace hwenroll::runtime
