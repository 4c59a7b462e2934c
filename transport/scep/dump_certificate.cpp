// Certificates and requests, line by line.
#include <algorithm>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "transport/scep/dump_writer.h"
#include "transport/scep/object_identifiers.h"

namespace hwenroll::scep {
namespace {

std::string object_text(const ASN1_OBJECT* object) {
    const int nid = OBJ_obj2nid(object);
    if (nid != NID_undef) {
        return OBJ_nid2ln(nid);
    }
    std::string text(128, '\0');
    const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
    text.resize(static_cast<std::size_t>(std::clamp(size, 0, 127)));
    return text;
}

template <class Extension>
void dump_extension(Extension* extension, DumpWriter& out) {
    const OpenSslPtr<BIO> text(BIO_new(BIO_s_mem()));
    const bool known = X509V3_EXT_print(text.get(), extension, X509V3_EXT_DEFAULT, 0) == 1;
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    std::string value = known && data != nullptr ? std::string(data, static_cast<std::size_t>(size)) : "(not shown)";
    std::ranges::replace(value, '\n', ' ');
    ERR_clear_error();
    out.line(object_text(X509_EXTENSION_get_object(extension)) +
                 (X509_EXTENSION_get_critical(extension) == 1 ? " (critical)" : ""),
             value);
}

void dump_key(const PublicKey& key, DumpWriter& out) {
    out.line("public key", key.text());
    out.line("SHA-256 of the public key", to_hex(sha256(key.spki())));
}

/// How long and of what type, never what it says (SEC-14).
void dump_challenge(X509_REQ* request, int index, DumpWriter& out) {
    auto* attribute = X509_REQ_get_attr(request, index);
    auto* value = X509_ATTRIBUTE_get0_type(attribute, 0);
    const int type = value == nullptr ? V_ASN1_UNDEF : ASN1_TYPE_get(value);
    const auto* string = type == V_ASN1_UNDEF
                             ? nullptr
                             : static_cast<const ASN1_STRING*>(X509_ATTRIBUTE_get0_data(attribute, 0, type, nullptr));
    ERR_clear_error();
    if (string == nullptr || X509_ATTRIBUTE_count(attribute) != 1) {
        out.line("challengePassword", "(malformed, not shown)");
        return;
    }
    out.line("challengePassword",
             fmt::format("({} of {} octets, not shown)", ASN1_tag2str(type), ASN1_STRING_length(string)));
}

void dump_attributes(X509_REQ* request, DumpWriter& out) {
    for (int i = 0; i < X509_REQ_get_attr_count(request); ++i) {
        const auto* object = X509_ATTRIBUTE_get0_object(X509_REQ_get_attr(request, i));
        const int nid = OBJ_obj2nid(object);
        if (nid == NID_pkcs9_challengePassword) {
            dump_challenge(request, i, out);
        } else if (nid != NID_ext_req) {
            out.line("attribute", object_text(object));
        }
    }
}

}  // namespace

void dump_certificate(const Certificate& certificate, DumpWriter out) {
    out.line("subject", certificate.subject().text());
    out.line("issuer", certificate.issuer().text());
    out.line("serial", to_hex(certificate.serial()));
    out.line("valid",
             fmt::format("{} to {}", to_iso8601(certificate.not_before()), to_iso8601(certificate.not_after())));
    dump_key(certificate.public_key(), out);
    out.line("fingerprint", "SHA256:" + to_hex(certificate.fingerprint(), ':'));
    const int nid = X509_get_signature_nid(certificate.get());
    out.line("signature algorithm", nid == NID_undef ? "unknown" : OBJ_nid2ln(nid));
    for (int i = 0; i < X509_get_ext_count(certificate.get()); ++i) {
        dump_extension(X509_get_ext(certificate.get(), i), out);
    }
}

void dump_request(X509_REQ* request, DumpWriter out) {
    out.line("subject", DistinguishedName::of(X509_REQ_get_subject_name(request)).text());
    const auto key = PublicKey::from_spki(
        der_of([&](unsigned char** der) { return i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), der); }));
    if (key) {
        dump_key(*key, out);
        out.line("signature", X509_REQ_verify(request, key->get()) == 1 ? "good" : "DOES NOT VERIFY");
    } else {
        out.line("public key", "unreadable");
    }
    ERR_clear_error();
    const int nid = X509_REQ_get_signature_nid(request);
    out.line("signature algorithm", nid == NID_undef ? "unknown" : OBJ_nid2ln(nid));
    dump_attributes(request, out);
    const OpenSslPtr<STACK_OF(X509_EXTENSION)> extensions(X509_REQ_get_extensions(request));
    for (int i = 0; extensions && i < sk_X509_EXTENSION_num(extensions.get()); ++i) {
        dump_extension(sk_X509_EXTENSION_value(extensions.get(), i), out);
    }
}

}  // namespace hwenroll::scep
