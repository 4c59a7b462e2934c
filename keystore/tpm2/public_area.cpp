#include "keystore/tpm2/public_area.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace hwenroll::keystore::tpm2 {

namespace {

constexpr std::string_view id_mark = "hwenroll key id:";
constexpr std::size_t id_size = 16;
static_assert(id_mark.size() + id_size == TPM2_SHA256_DIGEST_SIZE);

constexpr TPMA_OBJECT key_attributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                                       TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT;

/// A curve that the project knows.
struct Curve {
    TPM2_ECC_CURVE number;
    KeySpec spec;
    std::array<std::uint8_t, 10> oid;  ///< DER ECParameters (RFC 5480 §2.1.1)
    std::size_t oid_size;
    std::size_t field;  ///< octets
};

constexpr std::array curves = {
    Curve{TPM2_ECC_NIST_P256, KeySpec::ec_p256, {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07}, 10, 32},
    Curve{TPM2_ECC_NIST_P384, KeySpec::ec_p384, {0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22}, 7, 48},
};

bool has(const TPM2B_PUBLIC& object, TPMA_OBJECT attribute) {
    return (object.publicArea.objectAttributes & attribute) == attribute;
}

void append_coordinate(Bytes& point, const TPM2B_ECC_PARAMETER& coordinate, std::size_t field) {
    const std::size_t size = std::min<std::size_t>(coordinate.size, field);
    point.insert(point.end(), field - size, 0);
    point.insert(point.end(), coordinate.buffer, coordinate.buffer + size);
}

std::optional<PublicKey> ec_key_in(const TPMT_PUBLIC& object) {
    const auto* const curve = std::find_if(curves.begin(), curves.end(), [&](const Curve& each) {
        return each.number == object.parameters.eccDetail.curveID;
    });
    const TPMS_ECC_POINT& at = object.unique.ecc;
    if (curve == curves.end() || at.x.size > curve->field || at.y.size > curve->field) {
        return std::nullopt;
    }
    Bytes point = {0x04};
    append_coordinate(point, at.x, curve->field);
    append_coordinate(point, at.y, curve->field);
    auto key = PublicKey::from_ec(ByteView(curve->oid).first(curve->oid_size), point);
    return key ? std::optional(*std::move(key)) : std::nullopt;
}

std::optional<PublicKey> rsa_key_in(const TPMT_PUBLIC& object) {
    // Part 2 §12.2.3.5: zero stands for 65537.
    const UINT32 number = object.parameters.rsaDetail.exponent == 0 ? 65537 : object.parameters.rsaDetail.exponent;
    const std::array exponent{static_cast<std::uint8_t>(number >> 24U), static_cast<std::uint8_t>(number >> 16U),
                              static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)};
    const TPM2B_PUBLIC_KEY_RSA& modulus = object.unique.rsa;
    if (modulus.size == 0 || modulus.size > sizeof modulus.buffer || (modulus.buffer[0] & 0x80U) == 0) {
        return std::nullopt;
    }
    auto key = PublicKey::from_rsa(ByteView(modulus.buffer, modulus.size), exponent);
    return key ? std::optional(*std::move(key)) : std::nullopt;
}

}  // namespace

TPM2B_PUBLIC storage_root_template() {
    TPM2B_PUBLIC object{};
    TPMT_PUBLIC& is = object.publicArea;
    is.type = TPM2_ALG_ECC;
    is.nameAlg = TPM2_ALG_SHA256;
    is.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    TPMS_ECC_PARMS& parameters = is.parameters.eccDetail;
    parameters.symmetric.algorithm = TPM2_ALG_AES;
    parameters.symmetric.keyBits.aes = 128;
    parameters.symmetric.mode.aes = TPM2_ALG_CFB;
    parameters.scheme.scheme = TPM2_ALG_NULL;
    parameters.curveID = TPM2_ECC_NIST_P256;
    parameters.kdf.scheme = TPM2_ALG_NULL;
    return object;
}

bool is_storage_root(const TPM2B_PUBLIC& object) {
    return object.publicArea.type == TPM2_ALG_ECC &&
           object.publicArea.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256 &&
           has(object, TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_USERWITHAUTH);
}

TPM2B_PUBLIC key_template(KeySpec spec, const KeyId& id) {
    TPM2B_PUBLIC object{};
    TPMT_PUBLIC& is = object.publicArea;
    is.nameAlg = TPM2_ALG_SHA256;
    is.objectAttributes = key_attributes;
    is.authPolicy.size = TPM2_SHA256_DIGEST_SIZE;
    std::copy(id_mark.begin(), id_mark.end(), is.authPolicy.buffer);
    std::copy_n(id.value.begin(), std::min(id.value.size(), id_size), is.authPolicy.buffer + id_mark.size());
    if (is_ec(spec)) {
        is.type = TPM2_ALG_ECC;
        TPMS_ECC_PARMS& parameters = is.parameters.eccDetail;
        parameters.symmetric.algorithm = TPM2_ALG_NULL;
        parameters.scheme.scheme = TPM2_ALG_NULL;
        parameters.curveID = spec == KeySpec::ec_p384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256;
        parameters.kdf.scheme = TPM2_ALG_NULL;
    } else {
        is.type = TPM2_ALG_RSA;
        TPMS_RSA_PARMS& parameters = is.parameters.rsaDetail;
        parameters.symmetric.algorithm = TPM2_ALG_NULL;
        parameters.scheme.scheme = TPM2_ALG_NULL;
        parameters.keyBits = static_cast<TPMI_RSA_KEY_BITS>(bits_of(spec));
    }
    return object;
}

bool is_own_id(const KeyId& id) {
    return id.value.size() == id_size;
}

std::optional<KeyId> id_in(const TPM2B_PUBLIC& object) {
    const TPM2B_DIGEST& policy = object.publicArea.authPolicy;
    if (policy.size != TPM2_SHA256_DIGEST_SIZE || !std::equal(id_mark.begin(), id_mark.end(), policy.buffer)) {
        return std::nullopt;
    }
    return KeyId{Bytes(policy.buffer + id_mark.size(), policy.buffer + policy.size)};
}

std::optional<PublicKey> public_key_in(const TPM2B_PUBLIC& object) {
    switch (object.publicArea.type) {
        case TPM2_ALG_RSA:
            return rsa_key_in(object.publicArea);
        case TPM2_ALG_ECC:
            return ec_key_in(object.publicArea);
        default:
            return std::nullopt;
    }
}

KeyProtection protection_of(const TPM2B_PUBLIC& object) {
    const bool fixed = has(object, TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT);
    KeyProtection protection;
    protection.sensitive = true;
    protection.extractable = !fixed;
    protection.always_sensitive = true;
    protection.never_extractable = fixed;
    protection.local = has(object, TPMA_OBJECT_SENSITIVEDATAORIGIN);
    return protection;
}

bool is_usable(const TPM2B_PUBLIC& object) {
    return public_key_in(object).has_value() && !has(object, TPMA_OBJECT_RESTRICTED) &&
           (can_sign(object) || can_decrypt(object) || can_derive(object));
}

bool can_sign(const TPM2B_PUBLIC& object) {
    return has(object, TPMA_OBJECT_SIGN_ENCRYPT);
}

bool can_decrypt(const TPM2B_PUBLIC& object) {
    return object.publicArea.type == TPM2_ALG_RSA && has(object, TPMA_OBJECT_DECRYPT);
}

bool can_derive(const TPM2B_PUBLIC& object) {
    return object.publicArea.type == TPM2_ALG_ECC && has(object, TPMA_OBJECT_DECRYPT);
}

std::string difference(const TPM2B_PUBLIC& made, KeySpec spec, const KeyId& id) {
    const auto key = public_key_in(made);
    const KeyProtection is = protection_of(made);
    const TPMA_OBJECT attributes = made.publicArea.objectAttributes;
    if (key && matches(spec, *key) && is.confined() && attributes == key_attributes && id_in(made) == id) {
        return {};
    }
    return fmt::format("fixedTPM={:d} fixedParent={:d} sensitiveDataOrigin={:d} attributes={:#x} kind={} id={}",
                       has(made, TPMA_OBJECT_FIXEDTPM), has(made, TPMA_OBJECT_FIXEDPARENT), is.local, attributes,
                       key ? key->text() : "unknown", id_in(made) == id ? "ours" : "another");
}

}  // namespace hwenroll::keystore::tpm2
