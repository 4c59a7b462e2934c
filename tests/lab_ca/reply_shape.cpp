#include "tests/lab_ca/reply_shape.h"

#include "tests/lab_ca/authority.h"

namespace hwenroll::lab_ca {

void follow_digest(ReplyShape& shape, const AlgorithmSyntax& digest) {
    const DigestAlgorithm* known = digest_of(digest.oid);
    if (shape.digest.empty() && known != nullptr) {
        shape.digest = known->name;
    }
}

void follow_cipher(ReplyShape& shape, const AlgorithmSyntax& cipher) {
    const ContentCipher* known = cipher_of(cipher.oid);
    if (shape.cipher.empty() && known != nullptr) {
        shape.cipher = known->name;
    }
}

Result<std::vector<Certificate>> reply_certificates(const ReplyShape& shape, const Certificate& issued,
                                                    const Certificate& issuer, const std::optional<Certificate>& root) {
    std::vector<Certificate> out{issued};
    if (shape.certificates == ReplyCertificates::leaf) {
        return out;
    }
    out.push_back(issuer);
    if (shape.certificates == ReplyCertificates::chain && root) {
        out.push_back(*root);
    }
    if (shape.certificates == ReplyCertificates::stranger) {
        const auto stranger =
            make_root({.not_before = issuer.not_before(), .not_after = issuer.not_after(), .subject = "CN=a stranger"});
        if (!stranger) {
            return fail(stranger.error());
        }
        out.push_back(stranger->certificate);
    }
    return out;
}

}  // namespace hwenroll::lab_ca
