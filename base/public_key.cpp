#include "base/public_key.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <openssl/core_names.h>

#include "base/der.h"

namespace hwenroll {
namespace {

// OIDs without their head (RFC 8017 appendix C, RFC 5480 §2.1.1).
constexpr std::array<std::uint8_t, 9> rsa_encryption{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
constexpr std::array<std::uint8_t, 7> ec_public_key{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::array<std::uint8_t, 8> p256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 5> p384{0x2b, 0x81, 0x04, 0x00, 0x22};

/// Takes a value with the universal tag `tag` off `in`; its contents, or nothing.
std::optional<ByteView> take(ByteView& in, int tag) {
    constexpr int failed_or_indefinite = 0x81;
    const unsigned char* at = in.data();
    long size = 0;
    int found = 0;
    int kind = 0;
    const int head = ASN1_get_object(&at, &size, &found, &kind, static_cast<long>(in.size()));
    const bool constructed = (head & V_ASN1_CONSTRUCTED) != 0;
    if ((head & failed_or_indefinite) != 0 || found != tag || kind != V_ASN1_UNIVERSAL ||
        constructed != (tag == V_ASN1_SEQUENCE)) {
        return std::nullopt;
    }
    const ByteView content(at, static_cast<std::size_t>(size));
    in = in.subspan(static_cast<std::size_t>(at - in.data()) + content.size());
    return content;
}

bool is(const std::optional<ByteView>& content, ByteView expected) {
    return content && std::ranges::equal(*content, expected);
}

/// A positive INTEGER.
OpenSslPtr<BIGNUM> take_number(ByteView& in) {
    const auto content = take(in, V_ASN1_INTEGER);
    const bool positive = content && !content->empty() && content->front() < 0x80;
    return OpenSslPtr<BIGNUM>(positive ? BN_bin2bn(content->data(), static_cast<int>(content->size()), nullptr)
                                       : nullptr);
}

EVP_PKEY* key_from(const char* type, OSSL_PARAM_BLD* builder) {
    const OpenSslPtr<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, "provider=default"));
    EVP_PKEY* key = nullptr;
    if (parameters && context && EVP_PKEY_fromdata_init(context.get()) > 0) {
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
    }
    return key;
}

/// RSAPublicKey (RFC 8017 A.1.1).
EVP_PKEY* rsa_key(ByteView der) {
    auto numbers = take(der, V_ASN1_SEQUENCE);
    const OpenSslPtr<BIGNUM> n = numbers ? take_number(*numbers) : nullptr;
    const OpenSslPtr<BIGNUM> e = n ? take_number(*numbers) : nullptr;
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    const bool built = e && numbers->empty() && der.empty() && builder &&
                       OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
                       OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
    return built ? key_from("RSA", builder.get()) : nullptr;
}

/// ECPoint on a curve that keys of ours are on (RFC 5480 §2.2).
EVP_PKEY* ec_key(ByteView parameters, ByteView point) {
    const auto oid = take(parameters, V_ASN1_OBJECT);
    const char* const curve = is(oid, p256) ? "P-256" : is(oid, p384) ? "P-384" : nullptr;
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    const bool built =
        curve != nullptr && parameters.empty() && builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1;
    return built ? key_from("EC", builder.get()) : nullptr;
}

/// The key in a SubjectPublicKeyInfo of the usual form and of a kind that is used here, without libcrypto's decoders:
/// those of 3.0 take 0.17 ms for a key, and every certificate and every use of a token's key has one. Null for all
/// else, which d2i_PUBKEY then judges.
EVP_PKEY* key_of_known_kind(ByteView der) {
    const OpenSslErrorScope dropped;
    auto info = take(der, V_ASN1_SEQUENCE);
    auto algorithm = info ? take(*info, V_ASN1_SEQUENCE) : std::nullopt;
    const auto bits = algorithm ? take(*info, V_ASN1_BIT_STRING) : std::nullopt;
    if (!bits || !info->empty() || !der.empty() || bits->empty() || bits->front() != 0) {
        return nullptr;
    }
    const ByteView key = bits->subspan(1);
    const auto oid = take(*algorithm, V_ASN1_OBJECT);
    if (is(oid, rsa_encryption)) {
        return is(take(*algorithm, V_ASN1_NULL), {}) && algorithm->empty() ? rsa_key(key) : nullptr;
    }
    return is(oid, ec_public_key) ? ec_key(*algorithm, key) : nullptr;
}

void put_number(Bytes& out, const BIGNUM* number) {
    // One octet more than the number has where its top bit would make it negative.
    Bytes octets(static_cast<std::size_t>(BN_num_bits(number)) / 8 + 1);
    BN_bn2binpad(number, octets.data(), static_cast<int>(octets.size()));
    append_der(out, V_ASN1_INTEGER, octets);
}

OpenSslPtr<BIGNUM> number_of(EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key, name, &number);
    return OpenSslPtr<BIGNUM>(number);
}

/// SubjectPublicKeyInfo of an RSA key (RFC 8017 A.1), without libcrypto's encoders, which are as slow as its decoders;
/// empty for every other kind.
Bytes spki_of_rsa(EVP_PKEY* key) {
    constexpr std::uint8_t sequence = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    constexpr std::size_t largest_bits = 65'536;  // lengths of two octets; libcrypto's own limit is a quarter
    const OpenSslErrorScope dropped;
    const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    const auto n = rsa ? number_of(key, OSSL_PKEY_PARAM_RSA_N) : nullptr;
    const auto e = rsa ? number_of(key, OSSL_PKEY_PARAM_RSA_E) : nullptr;
    if (!n || !e || static_cast<std::size_t>(BN_num_bits(n.get()) + BN_num_bits(e.get())) > largest_bits) {
        return {};
    }
    Bytes numbers;
    put_number(numbers, n.get());
    put_number(numbers, e.get());
    Bytes bits{0};
    append_der(bits, sequence, numbers);
    Bytes algorithm;
    append_der(algorithm, V_ASN1_OBJECT, rsa_encryption);
    append_der(algorithm, V_ASN1_NULL, {});
    Bytes info;
    append_der(info, sequence, algorithm);
    append_der(info, V_ASN1_BIT_STRING, bits);
    Bytes spki;
    append_der(spki, sequence, info);
    return spki;
}

/// Appends a coordinate, `size` octets long; false if the key does not tell it.
bool append_coordinate(Bytes& point, EVP_PKEY* key, const char* name, std::size_t size) {
    const auto number = number_of(key, name);
    const std::size_t before = point.size();
    point.resize(before + size);
    return number && BN_bn2binpad(number.get(), point.data() + before, static_cast<int>(size)) > 0;
}

}  // namespace

namespace {

/// libcrypto's short name of the curve whose OID `parameters` are, or null.
const char* curve_name(ByteView parameters) {
    const unsigned char* in = parameters.data();
    const OpenSslPtr<ASN1_OBJECT> oid(d2i_ASN1_OBJECT(nullptr, &in, static_cast<long>(parameters.size())));
    const bool whole = oid && in == parameters.data() + parameters.size();
    const int number = whole ? OBJ_obj2nid(oid.get()) : NID_undef;
    return number == NID_undef ? nullptr : OBJ_nid2sn(number);
}

}  // namespace

Result<PublicKey> PublicKey::from_spki(ByteView der) {
    if (EVP_PKEY* const known = key_of_known_kind(der)) {
        return PublicKey(to_bytes(der), std::shared_ptr<EVP_PKEY>(known, EVP_PKEY_free));
    }
    const unsigned char* in = der.data();
    std::shared_ptr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &in, static_cast<long>(der.size())), EVP_PKEY_free);
    if (!key || in != der.data() + der.size()) {
        return fail(ErrorCode::scep_structure, "a public key is malformed or of an unknown kind",
                    take_openssl_errors());
    }
    return PublicKey(to_bytes(der), std::move(key));
}

Result<PublicKey> PublicKey::of(EVP_PKEY* key) {
    Bytes spki = spki_of_rsa(key);
    if (spki.empty()) {
        spki = der_of([&](unsigned char** out) { return i2d_PUBKEY(key, out); });
    }
    if (spki.empty()) {
        return fail(openssl_error("cannot encode a public key"));
    }
    return from_spki(spki);
}

Result<PublicKey> PublicKey::from_parameters(const char* type, const OSSL_PARAM parameters[]) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, "provider=default"));
    EVP_PKEY* key = nullptr;
    if (parameters == nullptr || !context || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters)) <= 0) {
        return fail(openssl_error(fmt::format("cannot build a public key of type {}", type)));
    }
    const OpenSslPtr<EVP_PKEY> owned(key);
    return of(key);
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
    const OpenSslPtr<BIGNUM> n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const OpenSslPtr<BIGNUM> e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return fail(openssl_error("cannot build an RSA public key"));
    }
    return from_parameters("RSA", OpenSslPtr<OSSL_PARAM>(OSSL_PARAM_BLD_to_param(builder.get())).get());
}

Result<PublicKey> PublicKey::from_ec(ByteView parameters, ByteView point) {
    const char* const curve = curve_name(parameters);
    const OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (curve == nullptr || point.size() <= 1 || !builder ||  // one octet is the point at infinity
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
        return fail(openssl_error("cannot build an EC public key"));
    }
    return from_parameters("EC", OpenSslPtr<OSSL_PARAM>(OSSL_PARAM_BLD_to_param(builder.get())).get());
}

bool PublicKey::is_rsa() const {
    return EVP_PKEY_is_a(key_.get(), "RSA") == 1;
}

bool PublicKey::is_ec() const {
    return EVP_PKEY_is_a(key_.get(), "EC") == 1;
}

int PublicKey::bits() const {
    return EVP_PKEY_get_bits(key_.get());
}

std::string PublicKey::curve() const {
    std::array<char, 64> group{};
    if (!is_ec() || EVP_PKEY_get_group_name(key_.get(), group.data(), group.size(), nullptr) != 1) {
        return {};
    }
    const std::string name = group.data();
    return name == "prime256v1" ? "P-256" : name == "secp384r1" ? "P-384" : name;
}

Bytes PublicKey::point() const {
    if (!is_ec()) {
        return {};
    }
    const auto size = static_cast<std::size_t>(bits() + 7) / 8;
    Bytes point{POINT_CONVERSION_UNCOMPRESSED};
    const OpenSslErrorScope dropped;
    const bool told = append_coordinate(point, get(), OSSL_PKEY_PARAM_EC_PUB_X, size) &&
                      append_coordinate(point, get(), OSSL_PKEY_PARAM_EC_PUB_Y, size);
    return told ? point : Bytes();
}

std::string PublicKey::text() const {
    if (const std::string named = curve(); !named.empty()) {
        return "EC " + named;
    }
    const char* type = EVP_PKEY_get0_type_name(key_.get());
    return fmt::format("{} {}", type == nullptr ? "unknown" : type, bits());
}

}  // namespace hwenroll
