#include "keystore/pkcs11/key_object.h"

#include <array>
#include <cstring>

#include "keystore/pkcs11/token_uri.h"

namespace hwenroll::keystore::pkcs11 {

namespace {

// Room for what other software may have put there; RSA moduli up to 8192 bits.
constexpr std::size_t text_room = 512;
constexpr std::size_t modulus_room = 1024;
constexpr std::size_t exponent_room = 64;

constexpr std::array<std::uint8_t, 3> exponent_65537 = {1, 0, 1};

std::optional<PublicKey> public_key_in(const Attributes& attributes) {
    const auto modulus = attributes.octets(CKA_MODULUS);
    const auto exponent = attributes.octets(CKA_PUBLIC_EXPONENT);
    if (!modulus || !exponent || modulus->empty() || exponent->empty()) {
        return std::nullopt;
    }
    auto key = PublicKey::from_rsa(*modulus, *exponent);
    return key ? std::optional(*std::move(key)) : std::nullopt;
}

/// The public key from the public object with this id.
Outcome<std::optional<PublicKey>> public_half_of(Session& session, const KeyId& id) {
    const auto found = session.find(key_search(CKO_PUBLIC_KEY, &id));
    if (!found) {
        return tl::unexpected(found.error());
    }
    if (found->size() != 1) {
        return std::nullopt;
    }
    Attributes attributes;
    attributes.expect(CKA_MODULUS, modulus_room).expect(CKA_PUBLIC_EXPONENT, exponent_room);
    if (const auto read = session.read(found->front(), attributes); !read) {
        return tl::unexpected(read.error());
    }
    return public_key_in(attributes);
}

bool is_rsa(const Attributes& attributes) {
    const auto octets = attributes.octets(CKA_KEY_TYPE);
    CK_KEY_TYPE type = 0;
    if (!octets || octets->size() != sizeof type) {
        return false;
    }
    std::memcpy(&type, octets->data(), sizeof type);
    return type == CKK_RSA;
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

// UNWRAP and SIGN_RECOVER are said explicitly because SoftHSM 2.6.1 grants them otherwise. ALWAYS_SENSITIVE,
// NEVER_EXTRACTABLE and LOCAL are the token's to set and are only read back.
Attributes private_half_template(const KeyId& id, const std::string& label) {
    Attributes attributes;
    attributes.put_number(CKA_CLASS, CKO_PRIVATE_KEY)
        .put_number(CKA_KEY_TYPE, CKK_RSA)
        .put_flag(CKA_TOKEN, true)
        .put_flag(CKA_PRIVATE, true)
        .put_flag(CKA_SENSITIVE, true)
        .put_flag(CKA_EXTRACTABLE, false)
        .put_flag(CKA_SIGN, true)
        .put_flag(CKA_DECRYPT, true)
        .put_flag(CKA_UNWRAP, false)
        .put_flag(CKA_SIGN_RECOVER, false)
        .put_octets(CKA_ID, id.value)
        .put_octets(CKA_LABEL, as_bytes(label));
    return attributes;
}

Attributes public_half_template(KeySpec spec, const KeyId& id, const std::string& label) {
    Attributes attributes;
    attributes.put_number(CKA_CLASS, CKO_PUBLIC_KEY)
        .put_number(CKA_KEY_TYPE, CKK_RSA)
        .put_flag(CKA_TOKEN, true)
        .put_flag(CKA_VERIFY, true)
        .put_flag(CKA_ENCRYPT, true)
        .put_number(CKA_MODULUS_BITS, static_cast<CK_ULONG>(bits_of(spec)))
        .put_octets(CKA_PUBLIC_EXPONENT, exponent_65537)
        .put_octets(CKA_ID, id.value)
        .put_octets(CKA_LABEL, as_bytes(label));
    return attributes;
}

Outcome<std::optional<KeyDescription>> read_key(Session& session, const CK_TOKEN_INFO& token, CK_OBJECT_HANDLE key) {
    Attributes attributes;
    attributes.expect(CKA_KEY_TYPE, sizeof(CK_KEY_TYPE))
        .expect(CKA_ID, text_room)
        .expect(CKA_LABEL, text_room)
        .expect_flag(CKA_SENSITIVE)
        .expect_flag(CKA_EXTRACTABLE)
        .expect_flag(CKA_ALWAYS_SENSITIVE)
        .expect_flag(CKA_NEVER_EXTRACTABLE)
        .expect_flag(CKA_LOCAL)
        .expect_flag(CKA_SIGN)
        .expect_flag(CKA_DECRYPT)
        .expect(CKA_MODULUS, modulus_room)
        .expect(CKA_PUBLIC_EXPONENT, exponent_room);
    if (const auto read = session.read(key, attributes); !read) {
        return tl::unexpected(read.error());
    }
    if (!is_rsa(attributes)) {
        return std::nullopt;
    }
    KeyId id{to_bytes(attributes.octets(CKA_ID).value_or(ByteView()))};
    std::optional<PublicKey> public_key = public_key_in(attributes);
    if (!public_key) {
        auto half = public_half_of(session, id);
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

}  // namespace hwenroll::keystore::pkcs11
