#include "transport/scep/requested_extensions.h"

#include "transport/scep/alternative_name.h"
#include "transport/scep/usage_names.h"

namespace hwenroll::scep {
namespace {

using Extensions = OpenSslPtr<STACK_OF(X509_EXTENSION)>;

/// Adds the extension `nid` with libcrypto's structure for it as its value.
Status add(Extensions& extensions, int nid, void* value, bool critical) {
    STACK_OF(X509_EXTENSION)* stack = extensions.get();
    if (X509V3_add1_i2d(&stack, nid, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) != 1) {
        return fail(openssl_error("a requested extension cannot be encoded"));
    }
    return {};
}

Status add_key_usage(Extensions& extensions, const std::vector<std::string>& names) {
    const OpenSslPtr<ASN1_STRING> bits(ASN1_BIT_STRING_new());
    for (const std::string& name : names) {
        const std::optional<int> bit = key_usage_bit(name);
        if (!bit) {
            return fail(ErrorCode::config_value, "the key usage '" + printable(name) + "' is unknown", {},
                        "use names of RFC 5280 such as digitalSignature and keyEncipherment");
        }
        if (!bits || ASN1_BIT_STRING_set_bit(bits.get(), *bit, 1) != 1) {
            return fail(openssl_error("a key usage cannot be encoded"));
        }
    }
    return names.empty() ? Status() : add(extensions, NID_key_usage, bits.get(), true);
}

Status add_extended_key_usage(Extensions& extensions, const std::vector<std::string>& names) {
    const OpenSslPtr<EXTENDED_KEY_USAGE> purposes(EXTENDED_KEY_USAGE_new());
    for (const std::string& name : names) {
        OpenSslPtr<ASN1_OBJECT> purpose = extended_key_usage_object(name);
        if (!purpose) {
            return fail(ErrorCode::config_value, "the extended key usage '" + printable(name) + "' is unknown", {},
                        "use serverAuth, clientAuth, another name of RFC 5280 or a dotted OID");
        }
        if (!purposes || sk_ASN1_OBJECT_push(purposes.get(), purpose.get()) <= 0) {
            return fail(openssl_error("an extended key usage cannot be encoded"));
        }
        static_cast<void>(purpose.release());
    }
    return names.empty() ? Status() : add(extensions, NID_ext_key_usage, purposes.get(), false);
}

Status add_alternative_names(Extensions& extensions, const CertificationRequest& request) {
    const OpenSslPtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
    if (!names) {
        return fail(openssl_error("subject alternative names cannot be made"));
    }
    for (const std::string& entry : request.subject_alt_names) {
        if (Status added = add_alternative_name(*names, entry); !added) {
            return added;
        }
    }
    // RFC 5280 §4.2.1.6: critical when the subject is empty.
    return request.subject_alt_names.empty()
               ? Status()
               : add(extensions, NID_subject_alt_name, names.get(), request.subject.empty());
}

}  // namespace

Result<Extensions> requested_extensions(const CertificationRequest& request) {
    Extensions extensions(sk_X509_EXTENSION_new_null());
    if (!extensions) {
        return fail(openssl_error("requested extensions cannot be made"));
    }
    Status added = add_key_usage(extensions, request.key_usage);
    if (added) {
        added = add_extended_key_usage(extensions, request.extended_key_usage);
    }
    if (added) {
        added = add_alternative_names(extensions, request);
    }
    if (!added) {
        return fail(std::move(added).error());
    }
    return extensions;
}

}  // namespace hwenroll::scep
