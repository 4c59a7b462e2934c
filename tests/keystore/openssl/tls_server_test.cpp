// A token's EC key in another program: a TLS server that reaches it through libp11's engine.
#include <gmock/gmock.h>
#include <openssl/pem.h>

#include "keystore/openssl/key_provider.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "tests/keystore/openssl/messages.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/software_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/child_process.h"
#include "tests/support/private_network.h"
#include "tests/support/softhsm.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::ChildOptions;
using ::hwenroll::test::ChildProcess;
using ::hwenroll::test::SoftHsm;

std::string pem_of(X509* certificate) {
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

class EcKeyInTlsServer : public ::testing::TestWithParam<KeySpec> {};

TEST_P(EcKeyInTlsServer, is_used_through_libp11s_engine) {
    ::hwenroll::test::enter_private_network();
    SoftHsm hsm;
    hsm.init_token("lab");
    Pkcs11Options options;
    options.name = "lab";
    options.module = SoftHsm::module();
    options.uri = SoftHsm::token_uri("lab");
    options.pin = hsm.pin_file();
    const auto token = std::make_shared<Pkcs11Token>(options, PinSource::parse(options.pin).value());
    ASSERT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
    const KeyDescription made = token->generate(GetParam(), KeyId{Bytes(16, 7)}, "web").value();
    const auto key = to_evp_pkey(token, made.key).value();
    const auto certificate = make_certificate(key.get(), key.get());
    ASSERT_TRUE(certificate) << take_openssl_errors();
    const std::string path = (hsm.directory() / "cert.pem").string();
    ::hwenroll::test::write_file(path, pem_of(certificate.get()));

    const auto pin = hsm.directory() / "pin-without-newline";  // libp11 0.4.12 takes a newline for part of the PIN
    ::hwenroll::test::write_file(pin, "1234", 0600);

    ChildOptions module;
    module.environment = {"PKCS11_MODULE_PATH=" + SoftHsm::module()};
    constexpr std::uint16_t port = 14434;
    const std::string address = "127.0.0.1:" + std::to_string(port);
    ChildProcess server({"openssl", "s_server", "-accept", address, "-cert", path, "-engine", "pkcs11", "-keyform",
                         "engine", "-key", made.uri + "?pin-source=file:" + pin.string(), "-www"},
                        module);
    ASSERT_TRUE(::hwenroll::test::wait_until_listening(port, std::chrono::seconds(20))) << server.err();
    ChildOptions client;
    client.input = "Q\n";
    const auto handshake = ::hwenroll::test::run(
        {"openssl", "s_client", "-connect", address, "-CAfile", path, "-verify_return_error"}, client);
    EXPECT_EQ(handshake.exit_code, 0) << handshake.err << server.err();
    EXPECT_THAT(handshake.out, ::testing::HasSubstr("Verify return code: 0 (ok)"));
    EXPECT_THAT(handshake.out, ::testing::AnyOf(::testing::HasSubstr("Peer signature type: ECDSA"),
                                                ::testing::HasSubstr("Peer signature type: ecdsa_")))  // OpenSSL 3.5
        << "the server's key is not the token's";
    server.kill(SIGTERM);
}

INSTANTIATE_TEST_SUITE_P(Curves, EcKeyInTlsServer, ::testing::Values(KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) { return "p" + std::to_string(bits_of(test.param)); });

}  // namespace
}  // namespace hwenroll::keystore::test
