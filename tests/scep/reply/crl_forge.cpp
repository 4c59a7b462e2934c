#include "tests/scep/reply/crl_forge.h"

#include <stdexcept>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::test {
namespace {

Bytes utc_time(TimePoint time) {
    const OpenSslPtr<ASN1_TIME> encoded = to_asn1_time(time);
    return der_of([&](unsigned char** out) { return i2d_ASN1_TIME(encoded.get(), out); });
}

Bytes integer_of(const Bytes& content) {
    return asn1::value(0x02, {content});
}

Bytes positive(Bytes serial) {
    if (serial.empty() || (serial[0] & 0x80U) != 0) {
        serial.insert(serial.begin(), 0);
    }
    return integer_of(serial);
}

Bytes signed_by(EVP_PKEY* key, const EVP_MD* digest, ByteView octets) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
    Bytes signature(size);
    if (EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, octets.data(), octets.size()) != 1) {
        throw std::runtime_error("cannot sign a CRL");
    }
    signature.resize(size);
    return signature;
}

Bytes entry_of(const ForgedCrl::Entry& entry) {
    std::vector<Bytes> extensions = entry.extensions;
    if (entry.reason) {
        extensions.push_back(
            crl_extension("2.5.29.21", false, asn1::value(0x0A, {Bytes{static_cast<std::uint8_t>(*entry.reason)}})));
    }
    const Bytes all = extensions.empty() ? Bytes{} : asn1::value(0x30, extensions);
    return asn1::sequence({positive(entry.serial), utc_time(present() - std::chrono::hours(2)), all});
}

}  // namespace

Bytes crl_extension(const std::string& oid, bool critical, ByteView value) {
    const Bytes flag = critical ? asn1::value(0x01, {Bytes{0xFF}}) : Bytes{};
    return asn1::sequence({asn1::oid(oid), flag, asn1::octet_string(value)});
}

Bytes point_name(const std::vector<std::string>& uris) {
    std::vector<Bytes> names;
    for (const std::string& uri : uris) {
        names.push_back(asn1::value(0x86, {as_bytes(uri)}));
    }
    return asn1::tagged(0, {asn1::value(0xA0, names)});
}

Bytes ForgedCrl::build() const {
    std::vector<Bytes> revoked;
    for (const Entry& entry : entries) {
        revoked.push_back(entry_of(entry));
    }
    std::vector<Bytes> all = extensions;
    if (number) {
        all.push_back(crl_extension("2.5.29.20", false, integer_of(*number)));
    }
    const Certificate& from = issuer ? *issuer : world().ca;
    const Bytes signed_part =
        asn1::sequence({asn1::integer(1), asn1::algorithm(inner_oid.value_or(signature_oid)), from.subject().der(),
                        utc_time(this_update), next_update ? utc_time(*next_update) : Bytes{},
                        revoked.empty() ? Bytes{} : asn1::value(0x30, revoked),
                        all.empty() ? Bytes{} : asn1::tagged(0, {asn1::value(0x30, all)})});
    Bytes signature = signed_by(key ? key.get() : world().ca_key.get(), digest, signed_part);
    if (spoilt_signature) {
        signature[signature.size() / 2] ^= 1;
    }
    return asn1::sequence({signed_part, asn1::algorithm(signature_oid), asn1::value(0x03, {Bytes{0}, signature})});
}

}  // namespace hwenroll::test
