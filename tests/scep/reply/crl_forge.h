// CRLs as a CA would make them, and as it should not: built from asn1_forge and one plain signature.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::test {

/// An extension, encoded.
Bytes crl_extension(const std::string& oid, bool critical, ByteView value);

/// A CRL of the world's CA; every part can be spoiled before build().
struct ForgedCrl {
    struct Entry {
        Bytes serial;
        std::optional<int> reason = {};
        std::vector<Bytes> extensions = {};
    };
    std::optional<Certificate> issuer;  ///< whose name it bears; nothing: the world's CA
    Key key;                            ///< that signs; null: the CA's
    TimePoint this_update = present() - std::chrono::hours(1);
    std::optional<TimePoint> next_update = present() + std::chrono::hours(24);
    std::optional<Bytes> number = Bytes{5};  ///< content octets
    std::vector<Entry> entries;
    std::vector<Bytes> extensions;  ///< beside the number
    std::string signature_oid = "1.2.840.113549.1.1.11";
    std::optional<std::string> inner_oid;  ///< instead of the same
    const EVP_MD* digest = EVP_sha256();
    bool spoilt_signature = false;
    [[nodiscard]] Bytes build() const;
};

/// A cRLDistributionPoints value, or a DistributionPointName, with these URIs as one fullName.
Bytes point_name(const std::vector<std::string>& uris);

}  // namespace hwenroll::test
