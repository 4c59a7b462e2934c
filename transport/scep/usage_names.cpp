#include "transport/scep/usage_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <openssl/err.h>
#include <openssl/objects.h>

namespace hwenroll::scep {
namespace {

struct KeyUsageName {
    std::string_view name;
    int bit;
    std::uint32_t flag;
};

constexpr std::array<KeyUsageName, 10> key_usages{{{"digitalSignature", 0, KU_DIGITAL_SIGNATURE},
                                                   {"nonRepudiation", 1, KU_NON_REPUDIATION},
                                                   {"contentCommitment", 1, KU_NON_REPUDIATION},
                                                   {"keyEncipherment", 2, KU_KEY_ENCIPHERMENT},
                                                   {"dataEncipherment", 3, KU_DATA_ENCIPHERMENT},
                                                   {"keyAgreement", 4, KU_KEY_AGREEMENT},
                                                   {"keyCertSign", 5, KU_KEY_CERT_SIGN},
                                                   {"cRLSign", 6, KU_CRL_SIGN},
                                                   {"encipherOnly", 7, KU_ENCIPHER_ONLY},
                                                   {"decipherOnly", 8, KU_DECIPHER_ONLY}}};

const KeyUsageName* find_key_usage(std::string_view name) {
    const auto* found = std::ranges::find(key_usages, name, &KeyUsageName::name);
    return found == key_usages.end() ? nullptr : found;
}

constexpr std::array<std::pair<std::string_view, const char*>, 8> purposes{
    {{"serverAuth", "1.3.6.1.5.5.7.3.1"},
     {"clientAuth", "1.3.6.1.5.5.7.3.2"},
     {"codeSigning", "1.3.6.1.5.5.7.3.3"},
     {"emailProtection", "1.3.6.1.5.5.7.3.4"},
     {"timeStamping", "1.3.6.1.5.5.7.3.8"},
     {"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
     {"ipsecIKE", "1.3.6.1.5.5.7.3.17"},
     {"smartcardLogon", "1.3.6.1.4.1.311.20.2.2"}}};

bool is_dotted(std::string_view text) {
    return text.find('.') != std::string_view::npos &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; });
}

}  // namespace

std::optional<int> key_usage_bit(std::string_view name) {
    const KeyUsageName* found = find_key_usage(name);
    return found == nullptr ? std::nullopt : std::optional<int>(found->bit);
}

std::optional<std::uint32_t> key_usage_flag(std::string_view name) {
    const KeyUsageName* found = find_key_usage(name);
    return found == nullptr ? std::nullopt : std::optional<std::uint32_t>(found->flag);
}

OpenSslPtr<ASN1_OBJECT> extended_key_usage_object(const std::string& name) {
    const auto* known = std::ranges::find(purposes, name, &std::pair<std::string_view, const char*>::first);
    if (known == purposes.end() && !is_dotted(name)) {
        return nullptr;
    }
    OpenSslPtr<ASN1_OBJECT> object(OBJ_txt2obj(known == purposes.end() ? name.c_str() : known->second, 1));
    if (!object) {
        ERR_clear_error();
    }
    return object;
}

}  // namespace hwenroll::scep
