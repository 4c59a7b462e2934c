// CRLs, line by line.
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "transport/scep/ber.h"
#include "transport/scep/dump_writer.h"

namespace hwenroll::scep {
namespace {

std::string time_text(const ASN1_TIME* time) {
    if (time == nullptr) {
        return "none";
    }
    const auto point = time_of(time);
    return point ? to_iso8601(*point) : "malformed";
}

std::string number_text(X509_CRL* list) {
    const OpenSslPtr<ASN1_INTEGER> number(
        static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr)));
    if (!number) {
        return "none";
    }
    return to_hex({ASN1_STRING_get0_data(number.get()), static_cast<std::size_t>(ASN1_STRING_length(number.get()))});
}

}  // namespace

bool dump_revocation_list(ByteView der, DumpWriter out) {
    const unsigned char* in = der.data();
    const OpenSslPtr<X509_CRL> list(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
    ERR_clear_error();
    if (!list || in != der.data() + der.size()) {
        return false;
    }
    const auto* revoked = X509_CRL_get_REVOKED(list.get());
    out.line("issuer", DistinguishedName::of(X509_CRL_get_issuer(list.get())).text());
    out.line("this update", time_text(X509_CRL_get0_lastUpdate(list.get())));
    out.line("next update", time_text(X509_CRL_get0_nextUpdate(list.get())));
    out.line("CRL number", number_text(list.get()));
    out.line("revoked certificates", std::to_string(revoked == nullptr ? 0 : sk_X509_REVOKED_num(revoked)));
    ERR_clear_error();
    return true;
}

void dump_revocation_lists(ByteView content_info, DumpWriter out) {
    BerFault fault;
    BerReader info = BerReader(content_info, fault).enter(tag::sequence, "the message");
    info.expect(tag::object_identifier, "the content type");
    BerReader data = info.enter(tag::context(0), "the content").enter(tag::sequence, "SignedData");
    while (!data.at_end()) {
        const BerValue field = data.next("a field of SignedData");
        if (field.tag != tag::context(1)) {
            continue;
        }
        BerReader lists = data.members(field, "the CRLs");
        while (!lists.at_end()) {
            const BerValue list = lists.next("a CRL");
            out.line("CRL");
            if (DumpWriter inner = out.nested(); !dump_revocation_list(list.encoding, inner)) {
                inner.line("unreadable", fmt::format("{} octets", list.encoding.size()));
            }
        }
    }
}

}  // namespace hwenroll::scep
