#include "keystore/pkcs11/key_object.h"

#include <array>
#include <cstring>

#include "keystore/key_id_limit.h"
#include "keystore/pkcs11/token_uri.h"

namespace hwenroll::keystore::pkcs11 {

namespace {

// Room for what other software may have put there; RSA moduli up to 8192 bits.
constexpr std::size_t text_room = 512;
constexpr std::size_t modulus_room = 1024;
constexpr std::size_t exponent_room = 64;
constexpr std::size_t curve_room = 512;  // explicit parameters of P-521 too, which are then not accepted
constexpr std::size_t point_room = 256;

constexpr std::array<std::uint8_t, 3> exponent_65537 = {1, 0, 1};

// DER of the curves' OIDs (RFC 5480 §2.1.1.1), as CKA_EC_PARAMS has them (PKCS#11 v2.40 §2.3.3).
constexpr std::array<std::uint8_t, 10> curve_p256 = {0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 7> curve_p384 = {0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22};

ByteView curve_of(KeySpec spec) {
    return spec == KeySpec::ec_p384 ? ByteView(curve_p384) : ByteView(curve_p256);
}

Attributes& expect_public_key(Attributes& attributes) {
    return attributes.expect(CKA_MODULUS, modulus_room)
        .expect(CKA_PUBLIC_EXPONENT, exponent_room)
        .expect(CKA_EC_PARAMS, curve_room)
        .expect(CKA_EC_POINT, point_room);
}

/// What a DER OCTET STRING holds, or nothing when `der` is none.
std::optional<ByteView> octet_string_in(ByteView der) {
    constexpr std::uint8_t tag = 0x04;
    constexpr std::uint8_t length_in_next_octet = 0x81;  // P-521's points
    const std::size_t head = der.size() > 1 && der[1] == length_in_next_octet ? 3 : 2;
    return der.size() >= head && der[0] == tag && der[head - 1] == der.size() - head ? std::optional(der.subspan(head))
                                                                                     : std::nullopt;
}

/// CKA_EC_POINT is a DER OCTET STRING (PKCS#11 v2.40 §2.3.3), so in SoftHSM 2.6.1; other modules give the point
/// itself. A point begins with an OCTET STRING's tag, but one of another length than the curve's is none, so that only
/// one of the two readings succeeds.
std::optional<PublicKey> ec_key_in(const Attributes& attributes) {
    const auto curve = attributes.octets(CKA_EC_PARAMS);
    const auto point = attributes.octets(CKA_EC_POINT);
    if (!curve || !point) {
        return std::nullopt;
    }
    const auto wrapped = octet_string_in(*point);
    auto key = PublicKey::from_ec(*curve, wrapped.value_or(*point));
    if (!key && wrapped) {
        key = PublicKey::from_ec(*curve, *point);
    }
    return key ? std::optional(*std::move(key)) : std::nullopt;
}

std::optional<PublicKey> rsa_key_in(const Attributes& attributes) {
    const auto modulus = attributes.octets(CKA_MODULUS);
    const auto exponent = attributes.octets(CKA_PUBLIC_EXPONENT);
    if (!modulus || !exponent || modulus->empty() || exponent->empty()) {
        return std::nullopt;
    }
    auto key = PublicKey::from_rsa(*modulus, *exponent);
    return key ? std::optional(*std::move(key)) : std::nullopt;
}

std::optional<PublicKey> public_key_in(const Attributes& attributes, CK_KEY_TYPE type) {
    return type == CKK_RSA ? rsa_key_in(attributes) : ec_key_in(attributes);
}

/// The public key from the public object with this id.
Outcome<std::optional<PublicKey>> public_half_of(Session& session, const KeyId& id, CK_KEY_TYPE type) {
    const auto found = session.find(key_search(CKO_PUBLIC_KEY, &id));
    if (!found) {
        return tl::unexpected(found.error());
    }
    if (found->size() != 1) {
        return std::nullopt;
    }
    Attributes attributes;
    expect_public_key(attributes);
    if (const auto read = session.read(found->front(), attributes); !read) {
        return tl::unexpected(read.error());
    }
    return public_key_in(attributes, type);
}

std::optional<CK_KEY_TYPE> type_in(const Attributes& attributes) {
    const auto octets = attributes.octets(CKA_KEY_TYPE);
    CK_KEY_TYPE type = 0;
    if (!octets || octets->size() != sizeof type) {
        return std::nullopt;
    }
    std::memcpy(&type, octets->data(), sizeof type);
    return type;
}

KeyDescription description_of(const Attributes& attributes, KeyId id, PublicKey public_key,
                              const CK_TOKEN_INFO& token) {
    KeyProtection protection;
    protection.sensitive = attributes.flag(CKA_SENSITIVE, false);
    protection.extractable = attributes.flag(CKA_EXTRACTABLE, true);
    protection.always_sensitive = attributes.flag(CKA_ALWAYS_SENSITIVE, false);
    protection.never_extractable = attributes.flag(CKA_NEVER_EXTRACTABLE, false);
    protection.local = attributes.flag(CKA_LOCAL, false);
    const std::string uri = key_uri(token, id.value);
    return KeyDescription{KeyReference{std::move(id), std::move(public_key)},
                          std::string(as_text(attributes.octets(CKA_LABEL).value_or(ByteView()))),
                          protection,
                          attributes.flag(CKA_SIGN, false),
                          attributes.flag(CKA_DECRYPT, false),
                          attributes.flag(CKA_DERIVE, false),
                          uri};
}

}  // namespace

Attributes key_search(CK_OBJECT_CLASS half, const KeyId* id) {
    Attributes search;
    search.put_number(CKA_CLASS, half);
    if (id != nullptr) {
        search.put_octets(CKA_ID, id->value);
    }
    return search;
}

// What a key may not do is said explicitly because SoftHSM 2.6.1 grants it otherwise. ALWAYS_SENSITIVE,
// NEVER_EXTRACTABLE and LOCAL are the token's to set and are only read back.
Attributes private_half_template(KeySpec spec, const KeyId& id, const std::string& label, TemplateForm form) {
    Attributes attributes;
    attributes.put_number(CKA_CLASS, CKO_PRIVATE_KEY)
        .put_number(CKA_KEY_TYPE, is_ec(spec) ? CKK_EC : CKK_RSA)
        .put_flag(CKA_TOKEN, true)
        .put_flag(CKA_PRIVATE, true)
        .put_flag(CKA_SENSITIVE, true)
        .put_flag(CKA_EXTRACTABLE, false)
        .put_flag(CKA_SIGN, true)
        .put_flag(is_ec(spec) ? CKA_DERIVE : CKA_DECRYPT, true)
        .put_octets(CKA_ID, id.value)
        .put_octets(CKA_LABEL, as_bytes(label));
    if (form == TemplateForm::exact) {
        attributes.put_flag(CKA_UNWRAP, false).put_flag(CKA_SIGN_RECOVER, false);
    }
    if (form == TemplateForm::exact && is_ec(spec)) {
        attributes.put_flag(CKA_DECRYPT, false);
    }
    return attributes;
}

Attributes public_half_template(KeySpec spec, const KeyId& id, const std::string& label, TemplateForm form) {
    Attributes attributes;
    attributes.put_number(CKA_CLASS, CKO_PUBLIC_KEY)
        .put_number(CKA_KEY_TYPE, is_ec(spec) ? CKK_EC : CKK_RSA)
        .put_flag(CKA_TOKEN, true)
        .put_octets(CKA_ID, id.value)
        .put_octets(CKA_LABEL, as_bytes(label));
    if (form == TemplateForm::exact || !is_ec(spec)) {
        attributes.put_flag(CKA_VERIFY, true);
    }
    if (is_ec(spec)) {
        attributes.put_octets(CKA_EC_PARAMS, curve_of(spec));
    } else {
        attributes.put_flag(CKA_ENCRYPT, true)
            .put_number(CKA_MODULUS_BITS, static_cast<CK_ULONG>(bits_of(spec)))
            .put_octets(CKA_PUBLIC_EXPONENT, exponent_65537);
    }
    return attributes;
}

CK_MECHANISM_TYPE generation_mechanism(KeySpec spec) {
    return is_ec(spec) ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN;
}

Outcome<std::optional<KeyDescription>> read_key(Session& session, const CK_TOKEN_INFO& token, CK_OBJECT_HANDLE key) {
    Attributes attributes;
    attributes.expect(CKA_KEY_TYPE, sizeof(CK_KEY_TYPE))
        .expect(CKA_ID, max_key_id_size)
        .expect(CKA_LABEL, text_room)
        .expect_flag(CKA_SENSITIVE)
        .expect_flag(CKA_EXTRACTABLE)
        .expect_flag(CKA_ALWAYS_SENSITIVE)
        .expect_flag(CKA_NEVER_EXTRACTABLE)
        .expect_flag(CKA_LOCAL)
        .expect_flag(CKA_SIGN)
        .expect_flag(CKA_DECRYPT)
        .expect_flag(CKA_DERIVE);
    expect_public_key(attributes);
    if (const auto read = session.read(key, attributes); !read) {
        return tl::unexpected(read.error());
    }
    const auto type = type_in(attributes);
    if (type != CKK_RSA && type != CKK_EC) {
        return std::nullopt;
    }
    const auto given_id = attributes.octets(CKA_ID);
    if (!given_id) {  // longer than any that we look for
        return std::nullopt;
    }
    KeyId id{to_bytes(*given_id)};
    std::optional<PublicKey> public_key = public_key_in(attributes, *type);
    if (!public_key) {
        auto half = public_half_of(session, id, *type);
        if (!half) {
            return tl::unexpected(half.error());
        }
        public_key = *std::move(half);
    }
    if (!public_key) {
        return std::nullopt;
    }
    return description_of(attributes, std::move(id), *std::move(public_key), token);
}

Outcome<KeyPlacement> read_placement(Session& session, CK_OBJECT_HANDLE key) {
    Attributes attributes;
    attributes.expect_flag(CKA_TOKEN).expect_flag(CKA_PRIVATE);
    if (const auto read = session.read(key, attributes); !read) {
        return tl::unexpected(read.error());
    }
    return KeyPlacement{attributes.flag(CKA_TOKEN, false), attributes.flag(CKA_PRIVATE, false)};
}

}  // namespace hwenroll::keystore::pkcs11
