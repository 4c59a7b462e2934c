#include "agent/runtime/key_uri.h"

#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

TEST(KeyUri, RFC_7512_the_id_is_percent_encoded_behind_the_tokens_path) {
    EXPECT_EQ(key_uri("pkcs11:token=lab", Bytes{0x9A, 0x00}), "pkcs11:token=lab;id=%9A%00;type=private");
    EXPECT_EQ(key_uri("pkcs11:", Bytes{1}), "pkcs11:id=%01;type=private");
    EXPECT_EQ(key_uri("pkcs11:serial=1?module-path=/x", Bytes{1}), "pkcs11:serial=1;id=%01;type=private");
}

}  // namespace
}  // namespace hwenroll::runtime
