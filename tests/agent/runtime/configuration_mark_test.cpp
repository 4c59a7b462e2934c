// What an operator changes releases a hold (SM-15): every setting that a request or its answer depends on counts.
#include "agent/runtime/configuration_mark.h"

#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

struct Settings {
    config::IdentitySettings identity;
    config::AuthoritySettings authority;
    config::TokenSettings token;
    config::LimitSettings limits;

    [[nodiscard]] Bytes mark() const { return configuration_mark(identity, authority, token, limits); }
    [[nodiscard]] Bytes request() const { return request_mark(identity, authority, token); }
};

struct Change {
    const char* key;
    void (*apply)(Settings&);
    bool another_request = false;
};

void PrintTo(const Change& change, std::ostream* out) {
    *out << change.key;
}

class ConfigurationMark : public testing::TestWithParam<Change> {};

TEST_P(ConfigurationMark, SM_15_changes_with_the_setting) {
    const Settings before;
    Settings after;
    GetParam().apply(after);
    EXPECT_NE(before.mark(), after.mark());
    EXPECT_EQ(before.request() != after.request(), GetParam().another_request);
}

config::SecretSource source(const char* location) {
    return {config::SecretSource::Kind::command, location};
}

INSTANTIATE_TEST_SUITE_P(
    Settings, ConfigurationMark,
    testing::Values(
        Change{"subject", [](Settings& s) { s.identity.subject = DistinguishedName::from_text("CN=a").value(); }, true},
        Change{"san", [](Settings& s) { s.identity.subject_alt_names = {"dns:a"}; }, true},
        Change{"key_usage", [](Settings& s) { s.identity.key_usage = {"digitalSignature"}; }, true},
        Change{"extended_key_usage", [](Settings& s) { s.identity.extended_key_usage = {"serverAuth"}; }, true},
        Change{"key", [](Settings& s) { s.identity.key = config::KeyType::rsa_3072; }, true},
        Change{"accept", [](Settings& s) { s.identity.accept.usage = config::AcceptUsage::require; }},
        Change{"poll_factor", [](Settings& s) { s.identity.poll.factor = 2; }},
        Change{"poll_give_up", [](Settings& s) { s.identity.poll.give_up = Seconds(60); }},
        Change{"identifier", [](Settings& s) { s.authority.identifier = "x"; }, true},
        Change{"url", [](Settings& s) { s.authority.urls = {"http://ca/"}; }},
        Change{"fingerprint", [](Settings& s) { s.authority.fingerprints = {Bytes(32, 1)}; }},
        Change{"challenge", [](Settings& s) { s.authority.challenge = source("/c"); }},
        Change{"ra", [](Settings& s) { s.authority.ra = config::RaRule::issued_by_ca; }},
        Change{"ra_fingerprints", [](Settings& s) { s.authority.ra_fingerprints = {Bytes(32, 1)}; }},
        Change{"legacy", [](Settings& s) { s.authority.legacy.sha1_reply = true; }},
        Change{"legacy_until", [](Settings& s) { s.authority.legacy.until = TimePoint(Seconds(1)); }},
        Change{"http", [](Settings& s) { s.authority.http = config::HttpMethod::get; }},
        Change{"proxy", [](Settings& s) { s.authority.proxy = "http://p/"; }},
        Change{"tls_ca", [](Settings& s) { s.authority.tls_ca = "/ca.pem"; }},
        Change{"challenge_encoding",
               [](Settings& s) { s.authority.challenge_encoding = config::ChallengeEncoding::utf8; }},
        Change{"txid",
               [](Settings& s) { s.authority.transaction_id.kind = config::TransactionIdRule::Kind::spki_sha1; }},
        Change{"fixed_txid", [](Settings& s) { s.authority.transaction_id.fixed = "x"; }},
        Change{"cipher", [](Settings& s) { s.authority.cipher = config::CipherChoice::aes256; }},
        Change{"digest", [](Settings& s) { s.authority.digest = config::DigestChoice::sha512; }},
        Change{"key_transport", [](Settings& s) { s.authority.key_transport = config::KeyTransport::oaep; }},
        Change{"resync", [](Settings& s) { s.authority.resync = {config::Resync::poll}; }},
        Change{"envelope", [](Settings& s) { s.authority.envelope = config::EnvelopeMode::password; }},
        Change{"max_pbkdf2", [](Settings& s) { s.limits.max_pbkdf2 = 1000; }},
        Change{"bind", [](Settings& s) { s.authority.bind = "eth0"; }},
        Change{"module", [](Settings& s) { s.token.module = "/m.so"; }, true},
        Change{"uri", [](Settings& s) { s.token.uri = "pkcs11:token=x"; }, true},
        Change{"pin", [](Settings& s) { s.token.pin = source("/p"); }},
        Change{"max_reply_bytes", [](Settings& s) { s.limits.max_reply_bytes = 1; }},
        Change{"exchange_timeout", [](Settings& s) { s.limits.exchange_timeout = std::chrono::seconds(1); }},
        Change{"min_lifetime", [](Settings& s) { s.limits.min_lifetime = Seconds(1); }},
        Change{"clock_skew", [](Settings& s) { s.limits.clock_skew = Seconds(1); }}),
    [](const auto& test) { return test.param.key; });

TEST(RequestMark, SM_15_ENV_12_another_envelope_is_another_request_of_an_ec_key_only) {
    Settings before;
    before.identity.key = config::KeyType::ec_p256;
    for (const auto mode :
         {config::EnvelopeMode::password, config::EnvelopeMode::token_rsa, config::EnvelopeMode::agree}) {
        Settings after = before;
        after.authority.envelope = mode;
        EXPECT_NE(before.request(), after.request());
        EXPECT_EQ(content_mark(before.identity), content_mark(after.identity)) << "the certificate stays what it is";
        before = after;
    }
}

struct SignerFacts {
    config::SignerSettings signer{"maker", config::ExistingKey{{1}, ""}, "/idevid.pem", "/chain.pem"};
    config::TokenSettings token;

    [[nodiscard]] Bytes mark() const { return signer_mark(signer, token); }
    [[nodiscard]] Bytes configuration() const { return with_signer({7}, signer, token); }
};

struct SignerChange {
    const char* key;
    void (*apply)(SignerFacts&);
    bool another_key = false;
};

void PrintTo(const SignerChange& change, std::ostream* out) {
    *out << change.key;
}

class SignerMark : public testing::TestWithParam<SignerChange> {};

TEST_P(SignerMark, SIG_4_changes_with_the_key_and_the_configuration_with_the_rest) {
    const SignerFacts before;
    SignerFacts after;
    GetParam().apply(after);
    EXPECT_NE(before.configuration(), after.configuration());
    EXPECT_NE(before.configuration(), Bytes{7});
    EXPECT_EQ(before.mark() != after.mark(), GetParam().another_key);
}

INSTANTIATE_TEST_SUITE_P(
    Settings, SignerMark,
    testing::Values(SignerChange{"key",
                                 [](SignerFacts& s) {
                                     s.signer.key = config::ExistingKey{{2}, ""};
                                 },
                                 true},
                    SignerChange{"module", [](SignerFacts& s) { s.token.module = "/m.so"; }, true},
                    SignerChange{"uri", [](SignerFacts& s) { s.token.uri = "pkcs11:token=x"; }, true},
                    SignerChange{"pin", [](SignerFacts& s) { s.token.pin = source("/p"); }},
                    SignerChange{"cert", [](SignerFacts& s) { s.signer.certificate = "/other.pem"; }},
                    SignerChange{"file_of_cert", [](SignerFacts& s) { s.signer.certificate = "/proc/self/exe"; }},
                    SignerChange{"chain", [](SignerFacts& s) { s.signer.chain.clear(); }}),
    [](const auto& test) { return test.param.key; });

}  // namespace
}  // namespace hwenroll::runtime
