// The set of certificates in a SUCCESS, and which of them is accepted. The first octet says whether the rest is a set,
// or the extensions or the subject of a certificate that the CA signed: chains cannot be forged by chance.
#include "tests/fuzz/oracle.h"
#include "tests/fuzz/signed_world.h"

using namespace hwenroll;

namespace {

void read(ByteView content) {
    const auto certificates = scep::read_degenerate(content, {});
    if (!certificates) {
        fuzz::require(!certificates.error().line().empty(), "an error has a text");
        return;
    }
    fuzz::require(!certificates->empty() && certificates->size() <= scep::ParseLimits().max_certificates,
                  "one to 64 certificates (DEG-7)");
    scep::IssueExpectation expected = fuzz::signed_world().issue;
    const auto issued = scep::accept_certificate(*certificates, expected);
    if (!issued) {
        fuzz::require(!issued.error().line().empty(), "an error has a text");
        return;
    }
    fuzz::require(issued->leaf.public_key() == expected.public_key, "the key is ours (DEG-4)");
    fuzz::require(!issued->leaf.is_ca(), "no CA certificate is accepted (CERT-4)");
    fuzz::require(issued->leaf.subject().same_rdns(expected.subject), "the subject is ours (CERT-5)");
    expected.subject_rule = scep::IssueExpectation::Subject::exact;
    expected.require_usage = true;
    const auto strict = scep::accept_certificate(*certificates, expected);
    fuzz::require(!strict || strict->leaf == issued->leaf, "stricter rules accept no other certificate");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            read(rest);
            break;
        case 1:
            read(fuzz::certificate_set({fuzz::signed_certificate(fuzz::expected_subject(), rest)}));
            break;
        default:
            read(fuzz::certificate_set({fuzz::signed_certificate(rest, fuzz::expected_extensions())}));
    }
    return 0;
}
