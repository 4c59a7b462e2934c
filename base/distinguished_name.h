// X.501 names by their DER, so that a name that we repeat is the same to the octet (MSG-22).
#pragma once

#include <string>
#include <string_view>

#include "base/openssl_ptr.h"

namespace hwenroll {

/// A distinguished name. A value: copies are independent. Two names are equal when their DER is.
class DistinguishedName {
 public:
    /// The empty name.
    DistinguishedName();

    /// Reads a DER Name (X.501). Error code: scep_structure.
    static Result<DistinguishedName> from_der(ByteView der);

    /// Reads the configuration's form `CN=web01.example.com,O=Example`: RDNs in the order in which they are encoded, a
    /// backslash escapes the next character, `+` joins a multi-valued RDN. Types: CN O OU C ST L STREET DC UID
    /// SERIALNUMBER SN GN T E EMAILADDRESS or a dotted OID. Error code: config_value.
    static Result<DistinguishedName> from_text(std::string_view text);

    static DistinguishedName of(const X509_NAME* name);

    [[nodiscard]] const Bytes& der() const { return der_; }
    [[nodiscard]] bool empty() const;

    /// RFC 2253 escaping, encoded order, UTF-8: for people and logs.
    [[nodiscard]] std::string text() const;

    /// A new libcrypto object, owned by the caller.
    [[nodiscard]] OpenSslPtr<X509_NAME> to_x509_name() const;

    /// Same set of RDNs, whatever their order and string types, compared as libcrypto's canonical form does (case
    /// folded, blanks squeezed): what survives servers that re-encode names (servers.md, micromdm).
    [[nodiscard]] bool same_rdns(const DistinguishedName& other) const;

    friend bool operator==(const DistinguishedName& a, const DistinguishedName& b) { return a.der_ == b.der_; }

 private:
    explicit DistinguishedName(Bytes der) : der_(std::move(der)) {}
    Bytes der_;
};

}  // namespace hwenroll
