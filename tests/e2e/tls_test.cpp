// The published files in use: a TLS server whose private key is the one on the token.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/support/private_network.h"

namespace hwenroll::test {
namespace {

TEST(TlsServer, uses_the_token_key_through_libp11s_engine_and_verifies_under_the_published_anchor) {
    enter_private_network();
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_EQ(world.once().exit_code, 0);
    std::string uri = read_file(world.live() / "key.uri");
    uri.erase(uri.find_last_not_of('\n') + 1);
    ChildOptions module;
    module.environment = {"PKCS11_MODULE_PATH=" + SoftHsm::module()};
    constexpr std::uint16_t port = 14433;
    ChildProcess server({"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(port), "-cert",
                         (world.live() / "fullchain.pem").string(), "-engine", "pkcs11", "-keyform", "engine", "-key",
                         uri + "?pin-source=file:" + world.pin_path().string(), "-www"},
                        module);
    ASSERT_TRUE(wait_until_listening(port, std::chrono::seconds(20))) << server.err();
    ChildOptions client;
    client.input = "Q\n";
    const RunResult handshake = run({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port), "-CAfile",
                                     (world.live() / "ca.pem").string(), "-verify_return_error", "-verify_hostname",
                                     "web01.example.com", "-servername", "web01.example.com"},
                                    client);
    EXPECT_EQ(handshake.exit_code, 0) << handshake.err;
    EXPECT_THAT(handshake.out, testing::HasSubstr("Verify return code: 0 (ok)"));
    server.kill(SIGTERM);
}

}  // namespace
}  // namespace hwenroll::test
