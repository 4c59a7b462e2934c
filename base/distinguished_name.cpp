#include "base/distinguished_name.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

#include <openssl/objects.h>

namespace hwenroll {
namespace {

struct Ava {
    std::string type;
    std::string value;
    bool joins_previous = false;
};

/// Splits `CN=a\,b+OU=c,O=d` at unescaped separators.
Result<std::vector<Ava>> split(std::string_view text) {
    std::vector<Ava> avas;
    Ava current;
    bool in_value = false;
    const auto close = [&]() -> Status {
        while (!current.value.empty() && current.value.back() == ' ') {
            current.value.pop_back();
        }
        if (!in_value || current.type.empty() || current.value.empty()) {
            return fail(ErrorCode::config_value, "the name '" + std::string(text) + "' has a part without TYPE=value",
                        {}, "write it as in CN=web01.example.com,O=Example");
        }
        avas.push_back(std::exchange(current, {}));
        in_value = false;
        return {};
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && in_value && i + 1 < text.size()) {
            current.value += text[++i];
        } else if (c == '=' && !in_value) {
            in_value = true;
        } else if ((c == ',' || c == '+') && in_value) {
            if (Status closed = close(); !closed) {
                return fail(closed.error());
            }
            current.joins_previous = c == '+';
        } else if (c == ' ' && (in_value ? current.value.empty() : true)) {
            continue;
        } else {
            (in_value ? current.value : current.type) += c;
        }
    }
    if (Status closed = close(); !closed) {
        return fail(closed.error());
    }
    return avas;
}

int nid_of_type(std::string type) {
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    static const std::map<std::string, int, std::less<>> known{{"CN", NID_commonName},
                                                               {"O", NID_organizationName},
                                                               {"OU", NID_organizationalUnitName},
                                                               {"C", NID_countryName},
                                                               {"ST", NID_stateOrProvinceName},
                                                               {"S", NID_stateOrProvinceName},
                                                               {"L", NID_localityName},
                                                               {"STREET", NID_streetAddress},
                                                               {"DC", NID_domainComponent},
                                                               {"UID", NID_userId},
                                                               {"SERIALNUMBER", NID_serialNumber},
                                                               {"SN", NID_surname},
                                                               {"GN", NID_givenName},
                                                               {"T", NID_title},
                                                               {"E", NID_pkcs9_emailAddress},
                                                               {"EMAILADDRESS", NID_pkcs9_emailAddress}};
    const auto found = known.find(type);
    return found == known.end() ? NID_undef : found->second;
}

OpenSslPtr<ASN1_OBJECT> object_of_type(const std::string& type) {
    if (const int nid = nid_of_type(type); nid != NID_undef) {
        return OpenSslPtr<ASN1_OBJECT>(OBJ_nid2obj(nid));
    }
    if (type.empty() || std::isdigit(static_cast<unsigned char>(type[0])) == 0) {
        return nullptr;
    }
    return OpenSslPtr<ASN1_OBJECT>(OBJ_txt2obj(type.c_str(), 1));
}

/// One RDN as a name of its own: libcrypto's comparison then ignores string types and case.
std::vector<OpenSslPtr<X509_NAME>> rdns_of(const X509_NAME* name) {
    std::vector<OpenSslPtr<X509_NAME>> rdns;
    int set = -1;
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
        const auto* entry = X509_NAME_get_entry(name, i);
        if (X509_NAME_ENTRY_set(entry) != set || rdns.empty()) {
            set = X509_NAME_ENTRY_set(entry);
            rdns.emplace_back(X509_NAME_new());
        }
        X509_NAME_add_entry(rdns.back().get(), entry, -1, X509_NAME_entry_count(rdns.back().get()) == 0 ? 0 : -1);
    }
    return rdns;
}

}  // namespace

DistinguishedName::DistinguishedName() : der_{0x30, 0x00} {}

Result<DistinguishedName> DistinguishedName::from_der(ByteView der) {
    const unsigned char* in = der.data();
    const OpenSslPtr<X509_NAME> name(d2i_X509_NAME(nullptr, &in, static_cast<long>(der.size())));
    if (!name || in != der.data() + der.size()) {
        return fail(ErrorCode::scep_structure, "a distinguished name is malformed", take_openssl_errors());
    }
    return DistinguishedName(to_bytes(der));
}

DistinguishedName DistinguishedName::of(const X509_NAME* name) {
    return DistinguishedName(der_of([&](unsigned char** out) { return i2d_X509_NAME(name, out); }));
}

Result<DistinguishedName> DistinguishedName::from_text(std::string_view text) {
    auto avas = split(text);
    if (!avas) {
        return fail(avas.error());
    }
    const OpenSslPtr<X509_NAME> name(X509_NAME_new());
    for (const Ava& ava : *avas) {
        const OpenSslPtr<ASN1_OBJECT> type = object_of_type(ava.type);
        if (!type) {
            return fail(ErrorCode::config_value,
                        "the name '" + std::string(text) + "' has the unknown attribute type '" + ava.type + "'", {},
                        "use CN, O, OU, C, ST, L, DC, UID, SERIALNUMBER, E or a dotted OID");
        }
        if (X509_NAME_add_entry_by_OBJ(name.get(), type.get(), MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(ava.value.data()),
                                       static_cast<int>(ava.value.size()), -1, ava.joins_previous ? -1 : 0) != 1) {
            return fail(ErrorCode::config_value,
                        "the name '" + std::string(text) + "' has a value that " + ava.type + " cannot hold",
                        take_openssl_errors());
        }
    }
    return of(name.get());
}

bool DistinguishedName::empty() const {
    return der_.size() <= 2;
}

OpenSslPtr<X509_NAME> DistinguishedName::to_x509_name() const {
    const unsigned char* in = der_.data();
    return OpenSslPtr<X509_NAME>(d2i_X509_NAME(nullptr, &in, static_cast<long>(der_.size())));
}

std::string DistinguishedName::text() const {
    const OpenSslPtr<X509_NAME> name = to_x509_name();
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    constexpr unsigned long flags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(XN_FLAG_DN_REV) &
                                    ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    X509_NAME_print_ex(out.get(), name.get(), 0, flags);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

bool DistinguishedName::same_rdns(const DistinguishedName& other) const {
    const OpenSslPtr<X509_NAME> mine = to_x509_name();
    const OpenSslPtr<X509_NAME> theirs = other.to_x509_name();
    auto wanted = rdns_of(mine.get());
    const auto given = rdns_of(theirs.get());
    if (wanted.size() != given.size()) {
        return false;
    }
    for (const auto& rdn : given) {
        const auto match =
            std::ranges::find_if(wanted, [&](const auto& w) { return X509_NAME_cmp(w.get(), rdn.get()) == 0; });
        if (match == wanted.end()) {
            return false;
        }
        wanted.erase(match);
    }
    return true;
}

}  // namespace hwenroll
