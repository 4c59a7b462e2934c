#include "agent/runtime/transaction_id.h"

#include <gtest/gtest.h>

#include "base/openssl_ptr.h"

namespace hwenroll::runtime {
namespace {

using Kind = config::TransactionIdRule::Kind;

PublicKey some_key() {
    const OpenSslPtr<EVP_PKEY> pair(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    return PublicKey::of(pair.get()).value();
}

std::optional<lifecycle::Credential> certified(const PublicKey& key) {
    lifecycle::Credential credential;
    credential.key.spki = key.spki();
    return credential;
}

const scep::TransactionId random_id{"RANDOM"};

std::string id_by(Kind kind, const PublicKey& key, const std::optional<lifecycle::Credential>& current = {}) {
    return transaction_id_of({kind, "edge-7"}, random_id, key, current).value().value;
}

TEST(TransactionIdOf, MSG_5_Q_OXI_1_is_the_hash_of_the_public_key_in_upper_case_hexadecimal) {
    const PublicKey key = some_key();
    EXPECT_EQ(id_by(Kind::spki_sha256, key), to_hex(sha256(key.spki())));
    const std::string sha1 = id_by(Kind::spki_sha1, key);
    EXPECT_EQ(sha1.size(), 40U);
    EXPECT_EQ(sha1.find_first_not_of("0123456789ABCDEF"), std::string::npos) << sha1;
    EXPECT_EQ(id_by(Kind::spki_sha1, key), sha1) << "the same for each transaction about the key";
    EXPECT_NE(id_by(Kind::spki_sha1, some_key()), sha1);
    EXPECT_EQ(id_by(Kind::random, key), "RANDOM");
    EXPECT_EQ(id_by(Kind::fixed, key), "edge-7");
}

// MSG-6, Q-NDES-8: under the id of the certificate's own request a CA would answer with that certificate.
TEST(TransactionIdOf, MSG_6_Q_NDES_8_a_key_that_has_a_certificate_is_not_asked_for_under_its_hash_again) {
    const PublicKey key = some_key();
    for (const Kind kind : {Kind::spki_sha256, Kind::spki_sha1}) {
        EXPECT_EQ(id_by(kind, key, certified(key)), "RANDOM");
        EXPECT_NE(id_by(kind, key, certified(some_key())), "RANDOM") << "a new key has a new hash";
    }
    EXPECT_EQ(id_by(Kind::fixed, key, certified(key)), "edge-7") << "what the operator fixes stays";
}

}  // namespace
}  // namespace hwenroll::runtime
