// cRLDistributionPoints of a certificate (RFC 5280 §4.2.1.13): which of them may be asked (SEC-17, BAD-140).
#include "transport/scep/crl_points.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "transport/scep/crl.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_urls = 8;
constexpr std::size_t max_url = 2048;
constexpr std::size_t max_points = 64;

bool begins_with(std::string_view text, std::string_view scheme) {
    return text.size() > scheme.size() && std::equal(scheme.begin(), scheme.end(), text.begin(), [](char a, char b) {
               return a == std::tolower(static_cast<unsigned char>(b));
           });
}

/// An URL that can go into a request as it is: no blank, no control, nothing beyond ASCII.
bool is_plain(std::string_view url) {
    return url.size() <= max_url && std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

/// One DistributionPoint; those with reasons or a cRLIssuer are about other lists than the CA's own complete one.
void read_point(BerReader& points, BerFault& fault, CrlPoints& out) {
    BerReader fields = points.enter(tag::sequence, "a distribution point");
    std::vector<std::string> names;
    bool partial = false;
    while (!fields.at_end()) {
        const BerValue field = fields.next("a field");
        partial = partial || field.tag != tag::context(0);
        if (field.tag == tag::context(0) && field.constructed) {
            names = point_names(field, fault);
        }
    }
    for (std::string& name : names) {
        const bool web = begins_with(name, "http://") || begins_with(name, "https://");
        if (web && is_plain(name) && !partial && out.urls.size() < max_urls) {
            out.urls.push_back(name);
        } else {
            out.refused.push_back(printable(name, 120));
        }
        out.names.push_back(std::move(name));
    }
}

}  // namespace

std::vector<std::string> point_names(const BerValue& name, BerFault& fault) {
    constexpr std::uint32_t uri = 6;
    std::vector<std::string> all;
    BerReader choice(name.content, fault, name.offset);
    if (const auto relative = choice.next_if(tag::context(1))) {
        all.push_back("relative name " + to_hex(relative->content));
    }
    const auto full_name = choice.next_if(tag::context(0));
    if (!full_name || !full_name->constructed) {
        return all;
    }
    for (BerReader names = choice.members(*full_name, "fullName"); !names.at_end();) {
        const BerValue one = names.next("a general name");
        all.push_back(one.tag == tag::context(uri) ? std::string(as_text(one.content))
                                                   : "general name " + to_hex(one.encoding));
    }
    return all;
}

CrlPoints crl_points(const Certificate& certificate) {
    const int at = X509_get_ext_by_NID(certificate.get(), NID_crl_distribution_points, -1);
    X509_EXTENSION* const extension = at < 0 ? nullptr : X509_get_ext(certificate.get(), at);
    if (extension == nullptr) {
        return {};
    }
    const ASN1_OCTET_STRING* const value = X509_EXTENSION_get_data(extension);
    const ByteView der{ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))};
    constexpr std::size_t max_depth = 16;
    const auto size = check_ber(der, max_depth);
    if (!size || *size != der.size()) {
        return {};
    }
    BerFault fault;
    BerReader outer(der, fault);
    CrlPoints out;
    BerReader points = outer.enter(tag::sequence, "cRLDistributionPoints");
    for (std::size_t count = 0; !points.at_end() && count < max_points; ++count) {
        read_point(points, fault, out);
    }
    return fault.failed() ? CrlPoints{} : out;
}

Bytes scope_of(const CrlPoints& points) {
    std::string all;
    for (const std::string& name : points.names) {
        all += std::to_string(name.size()) + ":" + name;
    }
    return all.empty() ? Bytes() : sha256(as_bytes(all));
}

}  // namespace hwenroll::scep
