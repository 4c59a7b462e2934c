#include "tests/lab_ca/crl.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {
namespace {

constexpr int huge_entries = 20'000;
constexpr std::string_view path_prefix = "/crl/";
constexpr std::string_view path_suffix = ".crl";

constexpr std::array<std::pair<std::string_view, CrlForm>, 13> form_words{
    {{"good", CrlForm::good},
     {"other-issuer", CrlForm::other_issuer},
     {"bad-signature", CrlForm::bad_signature},
     {"older", CrlForm::older},
     {"expired", CrlForm::expired},
     {"delta", CrlForm::delta},
     {"critical", CrlForm::critical},
     {"huge", CrlForm::huge},
     {"certificate", CrlForm::certificate_only},
     {"to-file", CrlForm::to_file},
     {"gone", CrlForm::gone},
     {"pem", CrlForm::pem},
     {"other-partition", CrlForm::other_partition}}};
constexpr std::array<std::pair<std::string_view, CertForm>, 3> cert_words{
    {{"good", CertForm::good}, {"other-serial", CertForm::other_serial}, {"pending", CertForm::pending}}};

/// What one list is made of.
struct Terms {
    CrlForm form = CrlForm::good;
    long number = 1;
    TimePoint this_update;
    TimePoint next_update;
    std::vector<std::string> serials;
    std::map<std::string, std::string> reasons;
    std::size_t entries = 0;
    std::string point;  ///< issuingDistributionPoint
};

OpenSslPtr<ASN1_INTEGER> integer_of(const std::string& hex) {
    BIGNUM* raw = nullptr;
    BN_hex2bn(&raw, hex.c_str());
    const OpenSslPtr<BIGNUM> number(raw);
    return OpenSslPtr<ASN1_INTEGER>(BN_to_ASN1_INTEGER(number.get(), nullptr));
}

int reason_of(const std::string& name) {
    constexpr std::array<std::string_view, 7> names{"unspecified",        "keyCompromise", "CACompromise",
                                                    "affiliationChanged", "superseded",    "cessationOfOperation",
                                                    "certificateHold"};
    const auto* const found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

bool add_entry(X509_CRL* crl, const std::string& serial, const std::string& reason, TimePoint since) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    bool good = entry != nullptr && X509_REVOKED_set_serialNumber(entry, integer_of(serial).get()) == 1 &&
                X509_REVOKED_set_revocationDate(entry, to_asn1_time(since).get()) == 1;
    if (const int code = reason_of(reason); good && code >= 0) {
        const OpenSslPtr<ASN1_STRING> value(ASN1_STRING_type_new(V_ASN1_ENUMERATED));
        good = ASN1_ENUMERATED_set(value.get(), code) == 1 &&
               X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, value.get(), 0, 0) == 1;
    }
    return good && X509_CRL_add0_revoked(crl, entry) == 1;
}

bool add_number(X509_CRL* crl, int nid, bool critical, long number) {
    const OpenSslPtr<ASN1_INTEGER> value(ASN1_INTEGER_new());
    return ASN1_INTEGER_set(value.get(), number) == 1 &&
           X509_CRL_add1_ext_i2d(crl, nid, value.get(), critical ? 1 : 0, 0) == 1;
}

bool add_critical_extension(X509_CRL* crl, const char* oid, const Bytes& content) {
    const OpenSslPtr<ASN1_OBJECT> type(OBJ_txt2obj(oid, 1));
    const OpenSslPtr<ASN1_STRING> value(ASN1_STRING_type_new(V_ASN1_OCTET_STRING));
    ASN1_STRING_set(value.get(), content.data(), static_cast<int>(content.size()));
    const OpenSslPtr<X509_EXTENSION> extension(X509_EXTENSION_create_by_OBJ(nullptr, type.get(), 1, value.get()));
    return extension && X509_CRL_add_ext(crl, extension.get(), -1) == 1;
}

/// IssuingDistributionPoint with the URL as fullName (RFC 5280 §5.2.5).
Bytes issuing_point(const std::string& url) {
    return der::sequence({der::context_0({der::context_0({der::element(0x86, {as_bytes(url)})})})});
}

bool add_entries(X509_CRL* crl, const Terms& terms) {
    bool good = true;
    for (const std::string& serial : terms.serials) {
        const auto reason = terms.reasons.find(serial);
        good = good && add_entry(crl, serial, reason == terms.reasons.end() ? "" : reason->second, terms.this_update);
    }
    for (int i = 0; terms.form == CrlForm::huge && i < huge_entries; ++i) {
        good = good && add_entry(crl, fmt::format("7F{:014X}", i), "", terms.this_update);
    }
    for (std::size_t i = 0; i < terms.entries; ++i) {
        good = good && add_entry(crl, fmt::format("7E{:038X}", i), "", terms.this_update);
    }
    return good;
}

Result<Bytes> write_list(const Terms& terms, const Certificate& issuer, EVP_PKEY* key) {
    const OpenSslPtr<X509_CRL> owned(X509_CRL_new());
    X509_CRL* const crl = owned.get();
    const bool good = crl != nullptr && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                      X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer.get())) == 1 &&
                      X509_CRL_set1_lastUpdate(crl, to_asn1_time(terms.this_update).get()) == 1 &&
                      X509_CRL_set1_nextUpdate(crl, to_asn1_time(terms.next_update).get()) == 1 &&
                      add_entries(crl, terms) && add_number(crl, NID_crl_number, false, terms.number) &&
                      (terms.form != CrlForm::delta || add_number(crl, NID_delta_crl, true, 1)) &&
                      (terms.form != CrlForm::critical || add_critical_extension(crl, "1.2.3.4.5", {0x05, 0x00})) &&
                      (terms.point.empty() || add_critical_extension(crl, "2.5.29.28", issuing_point(terms.point))) &&
                      X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0;
    if (!good) {
        return fail(openssl_error("cannot make a CRL"));
    }
    Bytes der = der_of([&](unsigned char** out) { return i2d_X509_CRL(crl, out); });
    if (terms.form == CrlForm::bad_signature) {
        der.back() ^= 1;
    }
    return der;
}

std::vector<std::string> revoked_by(std::size_t generation, std::size_t certificate, const Ledger& ledger,
                                    const std::set<std::string>& restored) {
    std::vector<std::string> serials;
    std::size_t count = 0;
    for (const Issued& one : ledger.issued()) {
        ++count;
        const std::string serial = to_hex(one.certificate.serial());
        const bool meant = certificate == 0 || certificate == count;
        if (meant && one.generation == generation && ledger.revoked(one.certificate) && !restored.contains(serial)) {
            serials.push_back(serial);
        }
    }
    return serials;
}

std::optional<std::size_t> positive(std::string_view text) {
    std::size_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    return problem == std::errc() && end == text.data() + text.size() && number > 0 ? std::optional(number)
                                                                                    : std::nullopt;
}

}  // namespace

std::optional<CrlForm> crl_form_of(std::string_view word) {
    const auto* const found =
        std::find_if(form_words.begin(), form_words.end(), [&](const auto& one) { return one.first == word; });
    return found == form_words.end() ? std::nullopt : std::optional(found->second);
}

std::optional<CertForm> cert_form_of(std::string_view word) {
    const auto* const found =
        std::find_if(cert_words.begin(), cert_words.end(), [&](const auto& one) { return one.first == word; });
    return found == cert_words.end() ? std::nullopt : std::optional(found->second);
}

Result<long> CrlIssuer::next_number(std::size_t generation) const {
    const std::filesystem::path path = directory_ / fmt::format("crl-{}.number", generation);
    long number = 0;
    if (std::filesystem::exists(path)) {
        const auto text = read_file(path);
        if (!text) {
            return fail(text.error());
        }
        std::from_chars(text->data(), text->data() + text->size(), number);
    }
    ++number;
    const Status written = write_file(path, std::to_string(number) + "\n", 0644);
    return written ? Result<long>(number) : fail(written.error());
}

Result<Bytes> CrlIssuer::list(std::size_t generation, const Authority& authority, const Ledger& ledger, TimePoint now,
                              const CrlPartition& partition) {
    std::vector<std::string> revoked = revoked_by(generation, partition.certificate, ledger, restored_);
    revoked.insert(revoked.end(), added_.begin(), added_.end());
    const bool good = policy_.form == CrlForm::good || policy_.form == CrlForm::pem;
    const std::pair key(generation, partition.certificate);
    const auto known = made_.find(key);
    if (good && known != made_.end() && known->second.revoked == revoked && known->second.entries == policy_.entries &&
        now >= known->second.at && now < known->second.at + policy_.lifetime / 2) {
        return known->second.der;
    }
    const auto number = next_number(generation);
    if (!number) {
        return fail(number.error());
    }
    Terms terms{policy_.form, *number, now, now + policy_.lifetime, revoked, reasons_, policy_.entries, partition.url};
    if (policy_.form == CrlForm::older) {
        terms.number = 0;
        terms.this_update = now - std::chrono::hours(1);
    } else if (policy_.form == CrlForm::expired) {
        terms.this_update = now - 3 * policy_.lifetime;
        terms.next_update = now - 2 * policy_.lifetime;
    }
    if (policy_.form == CrlForm::other_issuer) {
        const auto other = make_root({now - Seconds(60), now + std::chrono::days(1), "CN=another CA"});
        return other ? write_list(terms, other->certificate, other->key.get()) : fail(other.error());
    }
    auto der = write_list(terms, authority.certificate(), authority.key());
    if (der && good) {
        made_[key] = Made{std::move(revoked), policy_.entries, now, *der};
    }
    return der;
}

std::vector<std::string> CrlIssuer::points(std::size_t generation, std::size_t certificate,
                                           std::string_view host) const {
    std::vector<std::string> urls;
    for (const std::string& point : policy_.points) {
        const std::string part = point == "partition" ? fmt::format("-{}", certificate) : std::string();
        urls.push_back(point == "self" || !part.empty()
                           ? fmt::format("http://{}{}{}{}{}", host, path_prefix, generation, part, path_suffix)
                           : point);
    }
    return urls;
}

std::optional<CrlPath> crl_path(std::string_view path) {
    if (!path.starts_with(path_prefix) || !path.ends_with(path_suffix)) {
        return std::nullopt;
    }
    path.remove_prefix(path_prefix.size());
    path.remove_suffix(path_suffix.size());
    const std::size_t dash = path.find('-');
    const auto generation = positive(path.substr(0, dash));
    const auto certificate =
        dash == std::string_view::npos ? std::optional<std::size_t>(0) : positive(path.substr(dash + 1));
    return generation && certificate ? std::optional(CrlPath{*generation, *certificate}) : std::nullopt;
}

}  // namespace hwenroll::lab_ca
