#include "base/certificate.h"

#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <utility>

#include <openssl/x509v3.h>

namespace hwenroll {
namespace {

constexpr const char* upn_oid = "1.3.6.1.4.1.311.20.2.3";

std::string text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string ip_text(const ASN1_STRING* address) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(address) != 4 && ASN1_STRING_length(address) != 16) {
        return {};
    }
    inet_ntop(family, ASN1_STRING_get0_data(address), buffer.data(), buffer.size());
    return buffer.data();
}

std::string upn_text(const OTHERNAME* other) {
    std::array<char, 80> oid{};
    OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), other->type_id, 1);
    if (std::string_view(oid.data()) != upn_oid || ASN1_TYPE_get(other->value) != V_ASN1_UTF8STRING) {
        return {};
    }
    return "upn:" + text_of(other->value->value.utf8string);
}

std::string general_name_text(const GENERAL_NAME* name) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(name, &type);
    switch (type) {
        case GEN_DNS:
            return "dns:" + text_of(static_cast<const ASN1_STRING*>(value));
        case GEN_EMAIL:
            return "email:" + text_of(static_cast<const ASN1_STRING*>(value));
        case GEN_URI:
            return "uri:" + text_of(static_cast<const ASN1_STRING*>(value));
        case GEN_IPADD:
            return "ip:" + ip_text(static_cast<const ASN1_STRING*>(value));
        case GEN_OTHERNAME:
            return upn_text(static_cast<const OTHERNAME*>(value));
        default:
            return {};
    }
}

}  // namespace

Certificate::Certificate(Bytes der, std::shared_ptr<X509> x509, DistinguishedName subject, DistinguishedName issuer,
                         PublicKey key, TimePoint not_before, TimePoint not_after)
    : der_(std::move(der)),
      x509_(std::move(x509)),
      subject_(std::move(subject)),
      issuer_(std::move(issuer)),
      public_key_(std::move(key)),
      not_before_(not_before),
      not_after_(not_after) {}

Result<Certificate> Certificate::from_der(ByteView der) {
    const unsigned char* in = der.data();
    const OpenSslPtr<X509> x509(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
    if (!x509) {
        return fail(ErrorCode::scep_structure, "a certificate is malformed", take_openssl_errors());
    }
    if (in != der.data() + der.size()) {
        return fail(ErrorCode::scep_structure, "a certificate is followed by other data");
    }
    return of(x509.get());
}

Result<Certificate> Certificate::of(X509* x509) {
    X509_up_ref(x509);
    std::shared_ptr<X509> owned(x509, X509_free);
    Bytes der = der_of([&](unsigned char** out) { return i2d_X509(x509, out); });
    const Bytes spki = der_of([&](unsigned char** out) { return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), out); });
    auto key = PublicKey::from_spki(spki);
    auto not_before = time_of(X509_get0_notBefore(x509));
    auto not_after = time_of(X509_get0_notAfter(x509));
    if (der.empty() || !key || !not_before || !not_after) {
        const Error cause = !key ? key.error() : !not_before ? not_before.error() : openssl_error("cannot encode it");
        return fail(ErrorCode::scep_structure, "a certificate is malformed",
                    cause.what() + (cause.why().empty() ? "" : ": " + cause.why()));
    }
    // Fills libcrypto's cache of extensions now, on one thread.
    X509_check_purpose(x509, -1, 0);
    return Certificate(std::move(der), std::move(owned), DistinguishedName::of(X509_get_subject_name(x509)),
                       DistinguishedName::of(X509_get_issuer_name(x509)), *std::move(key), *not_before, *not_after);
}

namespace {

/// Takes DER elements off the front of octets.
class Elements {
 public:
    explicit Elements(ByteView octets) : left_(octets) {}

    /// The next element whole, or its contents; empty when there is none or it is damaged.
    ByteView whole() { return take(false); }
    ByteView contents() { return take(true); }

    /// The next element's identifier octet is `tag`.
    [[nodiscard]] bool begins_with(std::uint8_t tag) const { return !left_.empty() && left_.front() == tag; }

 private:
    ByteView take(bool inside) {
        const unsigned char* at = left_.data();
        long length = 0;
        int tag = 0;
        int kind = 0;
        if (left_.empty() ||
            (ASN1_get_object(&at, &length, &tag, &kind, static_cast<long>(left_.size())) & 0x81) != 0) {
            left_ = {};
            return {};
        }
        const auto head = static_cast<std::size_t>(at - left_.data());
        const auto size = head + static_cast<std::size_t>(length);
        const ByteView taken = inside ? left_.subspan(head, size - head) : left_.first(size);
        left_ = left_.subspan(size);
        return taken;
    }

    ByteView left_;
};

Result<TimePoint> time_in(ByteView der) {
    const unsigned char* in = der.data();
    const OpenSslPtr<ASN1_TIME> time(d2i_ASN1_TIME(nullptr, &in, static_cast<long>(der.size())));
    return time_of(time.get());
}

}  // namespace

Result<CertificateSummary> summary_of(ByteView der) {
    Elements certificate(Elements(der).contents());
    Elements fields(certificate.contents());
    if (fields.begins_with(0xA0)) {
        fields.whole();  // version
    }
    const ByteView serial = fields.contents();
    fields.whole();  // the signature's algorithm
    auto issuer = DistinguishedName::from_der(fields.whole());
    Elements validity(fields.contents());
    auto subject = DistinguishedName::from_der(fields.whole());
    const auto not_before = time_in(validity.whole());
    const auto not_after = time_in(validity.whole());
    if (serial.empty() || !issuer || !subject || !not_before || !not_after) {
        return fail(ErrorCode::scep_structure, "a certificate is malformed", take_openssl_errors());
    }
    const bool padded = serial.size() > 1 && serial.front() == 0;
    return CertificateSummary{to_bytes(padded ? serial.subspan(1) : serial), *std::move(subject), *std::move(issuer),
                              *not_before, *not_after};
}

Bytes Certificate::serial() const {
    const ASN1_INTEGER* serial = X509_get0_serialNumber(x509_.get());
    const unsigned char* data = ASN1_STRING_get0_data(serial);
    return {data, data + ASN1_STRING_length(serial)};
}

bool Certificate::is_ca() const {
    const std::uint32_t flags = X509_get_extension_flags(x509_.get());
    return (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
}

std::uint32_t Certificate::key_usage() const {
    return X509_get_key_usage(x509_.get());
}

std::vector<std::string> Certificate::subject_alt_names() const {
    const OpenSslPtr<GENERAL_NAMES> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509_.get(), NID_subject_alt_name, nullptr, nullptr)));
    return general_names_text(names.get());
}

std::vector<std::string> general_names_text(const GENERAL_NAMES* names) {
    std::vector<std::string> out;
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
        if (std::string text = general_name_text(sk_GENERAL_NAME_value(names, i)); !text.empty()) {
            out.push_back(std::move(text));
        }
    }
    return out;
}

Result<TimePoint> time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
        return fail(ErrorCode::scep_structure, "a time is malformed", take_openssl_errors());
    }
    using namespace std::chrono;
    const year_month_day date(year(parts.tm_year + 1900), month(static_cast<unsigned>(parts.tm_mon + 1)),
                              day(static_cast<unsigned>(parts.tm_mday)));
    return sys_days(date) + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec);
}

OpenSslPtr<ASN1_TIME> to_asn1_time(TimePoint time) {
    return OpenSslPtr<ASN1_TIME>(ASN1_TIME_set(nullptr, static_cast<time_t>(time.time_since_epoch().count())));
}

}  // namespace hwenroll
