// What a public area says about its key, without a TPM.
#include "keystore/tpm2/public_area.h"

#include <gmock/gmock.h>

namespace hwenroll::keystore::tpm2 {
namespace {

using ::testing::HasSubstr;

const KeyId id{Bytes(16, 7)};

/// What a TPM would answer to the template for an RSA key.
TPM2B_PUBLIC made() {
    TPM2B_PUBLIC object = key_template(KeySpec::rsa_2048, id);
    object.publicArea.unique.rsa.size = 256;
    std::fill_n(object.publicArea.unique.rsa.buffer, 256, std::uint8_t{0xA5});
    return object;
}

TEST(PublicArea, T21_a_key_as_it_was_asked_for_has_no_difference) {
    EXPECT_EQ(difference(made(), KeySpec::rsa_2048, id), "");
    EXPECT_TRUE(protection_of(made()).confined());
}

struct Lie {
    const char* name;
    TPMA_OBJECT attribute;
};

class LyingTpm : public ::testing::TestWithParam<Lie> {};

TEST_P(LyingTpm, T21_a_key_with_other_attributes_is_told_apart) {
    TPM2B_PUBLIC object = made();
    object.publicArea.objectAttributes ^= GetParam().attribute;
    EXPECT_NE(difference(object, KeySpec::rsa_2048, id), "");
}

INSTANTIATE_TEST_SUITE_P(Attributes, LyingTpm,
                         ::testing::Values(Lie{"fixedTPM", TPMA_OBJECT_FIXEDTPM},
                                           Lie{"fixedParent", TPMA_OBJECT_FIXEDPARENT},
                                           Lie{"sensitiveDataOrigin", TPMA_OBJECT_SENSITIVEDATAORIGIN},
                                           Lie{"restricted", TPMA_OBJECT_RESTRICTED},
                                           Lie{"decrypt", TPMA_OBJECT_DECRYPT}, Lie{"sign", TPMA_OBJECT_SIGN_ENCRYPT},
                                           Lie{"noDA", TPMA_OBJECT_NODA}),
                         [](const auto& test) { return test.param.name; });

TEST(PublicArea, T21_an_attribute_that_lets_a_key_go_is_no_protection) {
    for (const TPMA_OBJECT attribute :
         {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN}) {
        TPM2B_PUBLIC object = made();
        object.publicArea.objectAttributes &= ~attribute;
        EXPECT_FALSE(protection_of(object).confined());
        EXPECT_THAT(difference(object, KeySpec::rsa_2048, id), HasSubstr("=0"));
    }
}

TEST(PublicArea, T21_another_kind_or_id_is_a_difference) {
    EXPECT_NE(difference(made(), KeySpec::rsa_3072, id), "");
    EXPECT_NE(difference(made(), KeySpec::ec_p256, id), "");
    EXPECT_NE(difference(made(), KeySpec::rsa_2048, KeyId{Bytes(16, 8)}), "");
}

TEST(PublicArea, an_id_is_16_octets_and_read_back) {
    EXPECT_TRUE(is_own_id(id));
    EXPECT_FALSE(is_own_id(KeyId{Bytes(4, 0x81)}));
    EXPECT_EQ(id_in(made()), id);
    TPM2B_PUBLIC foreign = made();
    foreign.publicArea.authPolicy.buffer[0] ^= 1U;
    EXPECT_EQ(id_in(foreign), std::nullopt);
    foreign.publicArea.authPolicy.size = 0;
    EXPECT_EQ(id_in(foreign), std::nullopt);
}

TEST(PublicArea, keys_that_cannot_be_are_none) {
    TPM2B_PUBLIC object = made();
    object.publicArea.unique.rsa.size = 0;
    EXPECT_EQ(public_key_in(object), std::nullopt);
    object.publicArea.unique.rsa.size = 65535;
    EXPECT_EQ(public_key_in(object), std::nullopt);
    object = key_template(KeySpec::ec_p256, id);
    object.publicArea.unique.ecc.x.size = 32;
    object.publicArea.unique.ecc.y.size = 32;
    EXPECT_EQ(public_key_in(object), std::nullopt);  // (0, 0) is on no curve
    object.publicArea.unique.ecc.x.size = 65535;
    EXPECT_EQ(public_key_in(object), std::nullopt);
    object.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P521;
    EXPECT_EQ(public_key_in(object), std::nullopt);
    object.publicArea.type = TPM2_ALG_KEYEDHASH;
    EXPECT_EQ(public_key_in(object), std::nullopt);
    EXPECT_FALSE(is_usable(object));
}

TEST(PublicArea, a_storage_root_key_is_no_key_of_an_identity) {
    EXPECT_TRUE(is_storage_root(storage_root_template()));
    EXPECT_FALSE(is_usable(storage_root_template()));
    EXPECT_FALSE(is_storage_root(made()));
}

}  // namespace
}  // namespace hwenroll::keystore::tpm2
