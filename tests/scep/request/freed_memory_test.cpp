// SEC-2: what is left in freed memory once a request with a challenge was made. This program replaces the allocators of
// C++ and of libcrypto and looks into every block before it is released.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

#include <gtest/gtest.h>

#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/cert_rep.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace {

constexpr std::string_view challenge = "canary-7HQ9-Zx41";
std::atomic<int> found{0};

void inspect(const void* block) {
    if (block != nullptr &&
        memmem(block, malloc_usable_size(const_cast<void*>(block)), challenge.data(), challenge.size()) != nullptr) {
        ++found;
    }
}

void release(void* block) {
    inspect(block);
    std::free(block);
}

void* crypto_malloc(std::size_t size, const char* /*file*/, int /*line*/) {
    return std::malloc(size);
}

void crypto_free(void* block, const char* /*file*/, int /*line*/) {
    release(block);
}

void* crypto_realloc(void* block, std::size_t size, const char* /*file*/, int /*line*/) {
    void* moved = std::malloc(size);
    if (moved != nullptr && block != nullptr) {
        std::memcpy(moved, block, std::min(size, malloc_usable_size(block)));
        release(block);
    }
    return moved;
}

// Before libcrypto allocates for the first time; afterwards it would refuse.
const bool installed = CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1;

}  // namespace

void* operator new(std::size_t size) {
    void* block = std::malloc(size);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    return block;
}

void operator delete(void* block) noexcept {
    release(block);
}

void operator delete(void* block, std::size_t /*size*/) noexcept {
    release(block);
}

namespace hwenroll::scep {
namespace {

/// Blocks that were released with the challenge in them while `action` ran.
template <class Action>
int blocks_with_challenge(const Action& action) {
    found = 0;
    action();
    return found;
}

CertificationRequest request() {
    CertificationRequest contents;
    contents.subject = DistinguishedName::from_text("CN=web01.example.com,O=Example").value();
    contents.subject_alt_names = {"dns:web01.example.com"};
    contents.key_usage = {"digitalSignature", "keyEncipherment"};
    return contents;
}

const Certificate& ca() {
    static const Certificate certificate = test::self_signed(test::ca_spec("CN=CA"), test::rsa_key(9));
    return certificate;
}

void enroll_with(EVP_PKEY* key) {
    const auto csr = build_csr(request(), key, Secret(as_bytes(challenge)));
    ASSERT_TRUE(csr) << csr.error().line();
    for (const ContentCipher cipher : {ContentCipher::aes128, ContentCipher::aes256, ContentCipher::des3}) {
        ASSERT_TRUE(seal(csr->reveal(), ca(), cipher));
    }
}

TEST(FreedMemory, the_inspection_sees_what_both_allocators_release) {
    ASSERT_TRUE(installed);
    EXPECT_EQ(blocks_with_challenge([] { const Bytes copy = to_bytes(as_bytes(challenge)); }), 1);
    EXPECT_GE(blocks_with_challenge([] {
                  const OpenSslPtr<X509_REQ> request(X509_REQ_new());
                  X509_REQ_add1_attr_by_NID(request.get(), NID_pkcs9_challengePassword, V_ASN1_PRINTABLESTRING,
                                            as_bytes(challenge).data(), static_cast<int>(challenge.size()));
              }),
              1);
    EXPECT_EQ(blocks_with_challenge([] { const Secret copy(as_bytes(challenge)); }), 0);
}

TEST(FreedMemory, SEC_2_ENV_6_sealing_under_the_challenge_and_opening_under_it_leaves_none) {
    ASSERT_TRUE(installed);
    const test::Key ec = test::new_ec_key();
    const Certificate certificate = test::self_signed(test::ca_spec("CN=web01"), ec);
    // A certificate would do; any one value does.
    const Bytes content = certificate.der();
    const EcRecipient recipient{[](const KeyAgreement&) { return Result<Secret>(Secret()); },
                                [] { return Result<Secret>(Secret(as_bytes(challenge))); }};
    EXPECT_EQ(blocks_with_challenge([&] {
                  const auto sealed = seal_by_password(content, Secret(as_bytes(challenge)), ContentCipher::aes128);
                  ASSERT_TRUE(sealed) << sealed.error().line();
                  const auto opened = open_envelope(*sealed, certificate, recipient, {}, {});
                  ASSERT_TRUE(opened) << opened.error().line();
              }),
              0);
}

TEST(FreedMemory, SEC_2_building_and_sealing_a_request_leaves_no_challenge) {
    ASSERT_TRUE(installed);
    const test::Key rsa = test::rsa_key(1);
    const test::Key ec = test::new_ec_key();
    static_cast<void>(ca());
    EXPECT_EQ(blocks_with_challenge([&] { enroll_with(rsa.get()); }), 0);
    EXPECT_EQ(blocks_with_challenge([&] { enroll_with(ec.get()); }), 0);
}

TEST(FreedMemory, SEC_2_with_a_token_key_too) {
    ASSERT_TRUE(installed);
    const auto token = std::make_shared<test::CountingToken>(test::rsa_key(1));
    const auto key = test::token_key(token, test::rsa_key(1));
    EXPECT_EQ(blocks_with_challenge([&] { enroll_with(key.get()); }), 0);
}

}  // namespace
}  // namespace hwenroll::scep
