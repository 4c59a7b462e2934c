#include "tests/lab_ca/password_request.h"

#include <fmt/format.h>

namespace hwenroll::lab_ca {
namespace {

constexpr std::uint8_t password_tag = 0x83;
constexpr std::string_view pbkdf2 = "1.2.840.113549.1.5.12";
constexpr std::string_view hmac_sha256 = "1.2.840.113549.2.9";
constexpr std::string_view pwri_kek = "1.2.840.113549.1.9.16.3.9";
constexpr std::size_t least_salt = 16;
constexpr long least_iterations = 100'000;

std::string oid_in(const Asn1Node* node) {
    return node == nullptr || node->children.empty() ? std::string() : oid_text(node->children[0]).value_or("");
}

void lint_derivation(const Asn1Node* derivation, Findings& out) {
    const Asn1Node* parameters = derivation == nullptr ? nullptr : derivation->child(1, asn1_tag::sequence);
    const Asn1Node* salt = parameters == nullptr ? nullptr : parameters->child(0, asn1_tag::octet_string);
    const Asn1Node* count = parameters == nullptr ? nullptr : parameters->child(1, asn1_tag::integer);
    if (oid_in(derivation) != pbkdf2 || salt == nullptr || count == nullptr ||
        oid_in(parameters->child(2, asn1_tag::sequence)) != hmac_sha256) {
        out.push_back({"ENV-6", "the key derivation is not PBKDF2 with HMAC-SHA-256"});
        return;
    }
    if (salt->content.size() < least_salt) {
        out.push_back({"ENV-6", fmt::format("the salt has only {} octets", salt->content.size())});
    }
    if (small_integer(*count).value_or(0) < least_iterations) {
        out.push_back({"ENV-6", "fewer than 100,000 iterations"});
    }
}

}  // namespace

bool is_by_password(const EnvelopedDataSyntax& envelope) {
    return envelope.recipients.size() == 1 && envelope.recipients.front().by_password;
}

Findings lint_password_envelope(ByteView content_info, const Certificate& authority) {
    Findings out;
    if (authority.public_key().is_rsa()) {
        out.push_back({"ENV-5", "encrypted under the challenge though this CA has an RSA key"});
    }
    const auto root = read_asn1(content_info);
    const Asn1Node* outer = root ? root->child(1, asn1_tag::context_0) : nullptr;
    const Asn1Node* body = outer == nullptr ? nullptr : outer->child(0, asn1_tag::sequence);
    const Asn1Node* recipients = body == nullptr ? nullptr : body->child(1, asn1_tag::set);
    const Asn1Node* recipient = recipients == nullptr ? nullptr : recipients->child(0, password_tag);
    if (recipient == nullptr) {
        out.push_back({"ENV-5", "the recipient by password cannot be read"});
        return out;
    }
    for (const std::string& deviation : der_deviations(*root)) {
        out.push_back({"SIG-9", "the envelope is not DER: " + deviation});
    }
    constexpr long version_with_password = 3;
    if (small_integer(body->children[0]) != version_with_password || small_integer(recipient->children[0]) != 0) {
        out.push_back({"ENV-4", "the versions are not 3 and 0"});
    }
    lint_derivation(recipient->child(1, asn1_tag::context_0), out);
    if (oid_in(recipient->child(2, asn1_tag::sequence)) != pwri_kek) {
        out.push_back({"ENV-6", "the key is not wrapped by id-alg-PWRI-KEK"});
    }
    return out;
}

Outcome<Bytes> open_password_envelope(ByteView content_info, const Secret& password) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content_info.data(), static_cast<int>(content_info.size())));
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    const OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_bio(in.get(), nullptr));
    Bytes octets = to_bytes(password.reveal());
    const bool opened =
        cms && out &&
        CMS_decrypt_set1_password(cms.get(), octets.data(), static_cast<ossl_ssize_t>(octets.size())) == 1 &&
        CMS_decrypt(cms.get(), nullptr, nullptr, nullptr, out.get(), CMS_BINARY) == 1;
    wipe(octets);
    take_openssl_errors();
    if (!opened) {
        return reject(FailInfo::bad_message_check, "the envelope cannot be opened with the challenge");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return to_bytes(as_bytes({data, static_cast<std::size_t>(size)}));
}

}  // namespace hwenroll::lab_ca
