#include "agent/runtime/transaction_algorithms.h"

#include <gtest/gtest.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::runtime {
namespace {

using scep::ContentCipher;
using scep::Digest;
using scep::KeyTransport;

TEST(TransactionAlgorithms, ALG_4_ALG_8_follow_the_configuration) {
    config::AuthoritySettings settings;
    EXPECT_EQ(algorithm_choice(settings), scep::AlgorithmChoice{});
    settings.cipher = config::CipherChoice::aes192;
    settings.digest = config::DigestChoice::sha512;
    settings.key_transport = config::KeyTransport::oaep;
    EXPECT_EQ(algorithm_choice(settings),
              (scep::AlgorithmChoice{Digest::sha512, ContentCipher::aes192, KeyTransport::oaep}));
    settings.cipher = config::CipherChoice::aes256;
    settings.digest = config::DigestChoice::sha256;
    settings.key_transport = config::KeyTransport::pkcs1;
    EXPECT_EQ(algorithm_choice(settings), (scep::AlgorithmChoice{Digest::sha256, ContentCipher::aes256}));
    settings.cipher = config::CipherChoice::aes128;
    EXPECT_EQ(algorithm_choice(settings).cipher, ContentCipher::aes128);
}

TEST(TransactionAlgorithms, SEC_5_a_request_is_told_with_what_permits_it) {
    EXPECT_EQ(request_text({}), "SHA-256, AES-128-CBC, RSAES-PKCS1-v1_5");
    EXPECT_EQ(request_text({Digest::sha512, ContentCipher::aes256, KeyTransport::oaep}),
              "SHA-512, AES-256-CBC, RSAES-OAEP with SHA-256");
    EXPECT_EQ(request_text({Digest::sha1, ContentCipher::des3}),
              "SHA-1, 3DES-CBC, RSAES-PKCS1-v1_5, as legacy = [\"des3\", \"sha1-request\"] permits");
}

TEST(TransactionAlgorithms, SEC_5_C27_a_reply_is_told_with_what_permits_it) {
    EXPECT_EQ(reply_text(Digest::sha256), "SHA-256");
    EXPECT_EQ(reply_text(Digest::sha256, scep::EnvelopeAlgorithms{ContentCipher::aes256, "RSAES-PKCS1-v1_5"}),
              "SHA-256, AES-256-CBC, RSAES-PKCS1-v1_5");
    EXPECT_EQ(reply_text(Digest::sha1, scep::EnvelopeAlgorithms{ContentCipher::des, "RSAES-PKCS1-v1_5"}),
              "SHA-1, DES-CBC, RSAES-PKCS1-v1_5, as legacy = [\"sha1-reply\", \"des-cbc-reply\"] permits");
    EXPECT_EQ(reply_text(Digest::sha256, scep::EnvelopeAlgorithms{ContentCipher::des3, "RSAES-PKCS1-v1_5"}),
              "SHA-256, 3DES-CBC, RSAES-PKCS1-v1_5, as legacy = [\"des3\"] permits");
}

TEST(TransactionAlgorithms, SEC_5_the_history_says_by_which_algorithms_each_message_was_made) {
    using namespace lifecycle;
    Walk walk;
    walk.on(Started{}).on(KeyReady{{1}}).on(RequestPrepared{prepared(), "SHA-512, AES-256-CBC, RSAES-PKCS1-v1_5"});
    EXPECT_EQ(walk.note, "request prepared, transaction T1; by SHA-512, AES-256-CBC, RSAES-PKCS1-v1_5");
    Walk refused = walk;
    refused.on(RequestRejected{scep::FailInfo::bad_request, Error(ErrorCode::ca_rejected, "no"), "SHA-1"});
    EXPECT_TRUE(refused.note.ends_with("; the reply by SHA-1")) << refused.note;
    walk.on(RequestPending{"SHA-256"});
    EXPECT_EQ(walk.note, "the CA answered PENDING; the reply by SHA-256");
    walk.on(CertificateIssued{issued(), "SHA-256, DES-CBC, as legacy = [\"des-cbc-reply\"] permits"});
    EXPECT_TRUE(walk.note.ends_with("; the reply by SHA-256, DES-CBC, as legacy = [\"des-cbc-reply\"] permits"))
        << walk.note;
}

}  // namespace
}  // namespace hwenroll::runtime
