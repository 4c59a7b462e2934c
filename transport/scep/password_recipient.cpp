#include "transport/scep/password_recipient.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "transport/scep/der_writer.h"

namespace hwenroll::scep {
namespace {

constexpr std::string_view oid_pbkdf2 = "1.2.840.113549.1.5.12";
constexpr std::string_view oid_pwri_kek = "1.2.840.113549.1.9.16.3.9";
constexpr std::string_view oid_hmac_sha256 = "1.2.840.113549.2.9";

constexpr std::uint32_t own_iterations = 100'000;
constexpr std::size_t own_salt_size = 16;
constexpr std::size_t longest_salt = 64;
constexpr std::size_t block = 16;                         // of AES
constexpr std::size_t length_and_check = 4;               // before the key (RFC 3211 §2.3.1)
constexpr std::size_t longest_wrapped_key = 256 + block;  // the length before it is one octet

struct PseudoRandomFunction {
    std::string_view oid;
    const char* digest;  ///< libcrypto's name
};

constexpr std::array<PseudoRandomFunction, 5> functions{{{"1.2.840.113549.2.7", "SHA1"},
                                                         {"1.2.840.113549.2.8", "SHA224"},
                                                         {oid_hmac_sha256, "SHA256"},
                                                         {"1.2.840.113549.2.10", "SHA384"},
                                                         {"1.2.840.113549.2.11", "SHA512"}}};

/// PBKDF2-params, checked.
struct Derivation {
    Bytes salt;
    std::uint32_t iterations = 0;
    std::optional<std::uint64_t> key_size;
    const char* digest = "SHA1";  ///< the default of the syntax
};

/// The cipher of a key encryption key and its first vector.
struct Wrapping {
    const CipherInfo* cipher = nullptr;
    ByteView iv;
};

tl::unexpected<Error> unsupported(std::string why) {
    return fail(ErrorCode::scep_algorithm,
                "the reply's content key is wrapped under the challenge in a way that is not supported", std::move(why),
                "set the CA to PBKDF2 with HMAC-SHA-256 and id-alg-PWRI-KEK with AES-128-CBC");
}

tl::unexpected<Error> malformed(std::string why) {
    return fail(ErrorCode::scep_envelope, "the envelope's recipient by password is malformed", std::move(why));
}

/// A whole number above 0; what does not fit is as large as can be.
std::uint64_t positive(const BerValue& value, BerFault& fault, std::string_view what) {
    ByteView octets = value.content;
    if (octets.empty() || octets.front() >= 0x80) {
        fault.record(value.offset, fmt::format("{} is not above 0", what));
        return 0;
    }
    std::uint64_t number = 0;
    for (const std::uint8_t octet : octets) {
        number = number >> 56U != 0 ? ~std::uint64_t{0} : number << 8U | octet;
    }
    if (number == 0) {
        fault.record(value.offset, fmt::format("{} is not above 0", what));
    }
    return number;
}

Result<Derivation> read_derivation(const AlgorithmId& algorithm, std::uint32_t most_iterations) {
    if (algorithm.oid != oid_pbkdf2 || !algorithm.parameters) {
        return unsupported("its key derivation is " + name_of_oid(algorithm.oid));
    }
    BerFault fault;
    Derivation derivation;
    BerReader outer(algorithm.parameters->encoding, fault, algorithm.parameters->offset);
    BerReader fields = outer.enter(tag::sequence, "PBKDF2-params");
    derivation.salt = octets_of(fields.expect(tag::octet_string, "a salt"), fault);
    const std::uint64_t iterations = positive(fields.expect(tag::integer, "an iteration count"), fault, "its count");
    if (const auto size = fields.next_if(tag::integer)) {
        derivation.key_size = positive(*size, fault, "keyLength");
    }
    std::string function = std::string(functions.front().oid);
    if (!fields.at_end()) {
        function = read_algorithm(fields, fault, "a pseudo-random function").oid;
    }
    fields.finish("PBKDF2-params");
    if (const Status read = fault.status(ErrorCode::scep_envelope, "PBKDF2-params are malformed"); !read) {
        return fail(read.error());
    }
    const auto* const known = std::ranges::find(functions, function, &PseudoRandomFunction::oid);
    if (known == functions.end()) {
        return unsupported("its pseudo-random function is " + name_of_oid(function));
    }
    derivation.digest = known->digest;
    if (derivation.salt.empty() || derivation.salt.size() > longest_salt) {
        return malformed(fmt::format("its salt has {} octets, not 1 to {}", derivation.salt.size(), longest_salt));
    }
    if (iterations > most_iterations) {
        return fail(ErrorCode::scep_envelope, "the envelope would cost too much work to open",
                    fmt::format("it asks for {} iterations of PBKDF2; {} are allowed", iterations, most_iterations),
                    "have the CA ask for less, or raise max_pbkdf2 in [limits]");
    }
    derivation.iterations = static_cast<std::uint32_t>(iterations);
    return derivation;
}

bool is_aes(const CipherInfo& info) {
    return info.cipher == ContentCipher::aes128 || info.cipher == ContentCipher::aes192 ||
           info.cipher == ContentCipher::aes256;
}

Result<Wrapping> read_wrapping(const AlgorithmId& algorithm) {
    if (algorithm.oid != oid_pwri_kek || !algorithm.parameters) {
        return unsupported("its key encryption is " + name_of_oid(algorithm.oid));
    }
    BerFault fault;
    BerReader outer(algorithm.parameters->encoding, fault, algorithm.parameters->offset);
    const AlgorithmId inner = read_algorithm(outer, fault, "the cipher of id-alg-PWRI-KEK");
    if (const Status read = fault.status(ErrorCode::scep_envelope, "id-alg-PWRI-KEK is malformed"); !read) {
        return fail(read.error());
    }
    const CipherInfo* const info = cipher_by_oid(inner.oid);
    if (info == nullptr || !is_aes(*info)) {
        return unsupported("its key encryption key is for " + name_of_oid(inner.oid));
    }
    if (!inner.parameters || inner.parameters->tag != tag::octet_string || inner.parameters->constructed ||
        inner.parameters->content.size() != block) {
        return malformed("its key encryption has no proper initialization vector");
    }
    return Wrapping{info, inner.parameters->content};
}

Result<Secret> derive(const Derivation& derivation, const Secret& password, std::size_t key_size) {
    const OpenSslErrorScope dropped;
    const OpenSslPtr<EVP_MD> digest(EVP_MD_fetch(nullptr, derivation.digest, nullptr));
    Bytes key(key_size);
    const ByteView octets = password.reveal();
    if (!digest || PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(octets.data()), static_cast<int>(octets.size()),
                                     derivation.salt.data(), static_cast<int>(derivation.salt.size()),
                                     static_cast<int>(derivation.iterations), digest.get(),
                                     static_cast<int>(key.size()), key.data()) != 1) {
        return fail(openssl_error("cannot derive a key from the challenge"));
    }
    return Secret(std::move(key));
}

enum class Direction : std::uint8_t { decrypt = 0, encrypt = 1 };

/// CBC over whole blocks, in place.
bool cbc(Direction direction, const CipherInfo& info, const Secret& key, ByteView iv, std::span<std::uint8_t> blocks) {
    const OpenSslPtr<EVP_CIPHER> cipher(EVP_CIPHER_fetch(nullptr, info.libcrypto_name, nullptr));
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    int size = 0;
    return cipher && context &&
           EVP_CipherInit_ex2(context.get(), cipher.get(), key.reveal().data(), iv.data(), static_cast<int>(direction),
                              nullptr) == 1 &&
           EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
           EVP_CipherUpdate(context.get(), blocks.data(), &size, blocks.data(), static_cast<int>(blocks.size())) == 1 &&
           static_cast<std::size_t>(size) == blocks.size();
}

/// RFC 3211 §2.3.2, steps 1 to 3: the outer layer's vector is the inner layer's last block.
bool unwrap_blocks(const Wrapping& wrapping, const Secret& key, std::span<std::uint8_t> blocks) {
    const std::span<std::uint8_t> last = blocks.last(block);
    const std::span<std::uint8_t> rest = blocks.first(blocks.size() - block);
    const Bytes before_last = to_bytes(rest.last(block));
    return cbc(Direction::decrypt, *wrapping.cipher, key, before_last, last) &&
           cbc(Direction::decrypt, *wrapping.cipher, key, last, rest) &&
           cbc(Direction::decrypt, *wrapping.cipher, key, wrapping.iv, blocks);
}

/// Every octet of `good` FF when the blocks are of a key of `key_size` octets, else 00. No branch tells which.
std::uint8_t is_good(ByteView blocks, std::size_t key_size) {
    unsigned difference = blocks[0] ^ static_cast<unsigned>(key_size);
    for (std::size_t i = 1; i < length_and_check; ++i) {
        difference |= (blocks[i] ^ blocks[length_and_check - 1 + i]) ^ 0xFFU;
    }
    return static_cast<std::uint8_t>((difference - 1U) >> 8U);
}

Bytes algorithm(std::string_view oid, ByteView parameters) {
    return der::constructed(der::tag_sequence, {der::object_identifier(oid), parameters});
}

Bytes integer(std::uint32_t number) {
    constexpr std::uint8_t tag_integer = 0x02;
    const std::array<std::uint8_t, 5> octets{
        0, static_cast<std::uint8_t>(number >> 24U), static_cast<std::uint8_t>(number >> 16U),
        static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)};
    std::size_t first = 0;
    while (first + 1 < octets.size() && octets[first] == 0 && octets[first + 1] < 0x80) {
        ++first;
    }
    return der::value(tag_integer, ByteView(octets).subspan(first));
}

/// RFC 3211 §2.3.1: length, check value, key, random padding; then encrypted twice.
Result<Bytes> wrap(const Secret& content_key, const Secret& key, const Wrapping& wrapping) {
    const ByteView octets = content_key.reveal();
    Bytes blocks(std::max(2 * block, (length_and_check + octets.size() + block - 1) / block * block));
    bool good = RAND_bytes(blocks.data(), static_cast<int>(blocks.size())) == 1;
    blocks[0] = static_cast<std::uint8_t>(octets.size());
    for (std::size_t i = 1; i < length_and_check; ++i) {
        blocks[i] = static_cast<std::uint8_t>(~octets[i - 1]);
    }
    std::ranges::copy(octets, blocks.begin() + length_and_check);
    good = good && cbc(Direction::encrypt, *wrapping.cipher, key, wrapping.iv, blocks);
    const Bytes vector = to_bytes(ByteView(blocks).last(block));
    if (!good || !cbc(Direction::encrypt, *wrapping.cipher, key, vector, blocks)) {
        wipe(blocks);
        return fail(openssl_error("a content key cannot be wrapped under the challenge"));
    }
    return blocks;
}

}  // namespace

Result<PasswordRecipient> read_password_recipient(const BerValue& value) {
    BerFault fault;
    PasswordRecipient recipient;
    BerReader outer({}, fault, value.offset);
    BerReader fields = outer.members(value, "a PasswordRecipientInfo");
    fields.expect(tag::integer, "the version of a PasswordRecipientInfo");
    if (const auto derivation = fields.next_if(tag::context(0))) {
        BerReader parts = fields.members(*derivation, "keyDerivationAlgorithm");
        recipient.derivation.oid = oid_of(parts.expect(tag::object_identifier, "keyDerivationAlgorithm"), fault);
        if (!parts.at_end()) {
            recipient.derivation.parameters = parts.next("parameters of keyDerivationAlgorithm");
        }
        parts.finish("keyDerivationAlgorithm");
    } else {
        fields.reject("keyDerivationAlgorithm is missing");
    }
    recipient.encryption = read_algorithm(fields, fault, "keyEncryptionAlgorithm");
    recipient.wrapped_key = octets_of(fields.expect(tag::octet_string, "encryptedKey"), fault);
    fields.finish("a PasswordRecipientInfo");
    if (const Status read = fault.status(ErrorCode::scep_envelope, "the envelope's recipient by password is malformed");
        !read) {
        return fail(read.error());
    }
    return recipient;
}

Result<PasswordKey> unwrap_by_password(const PasswordRecipient& recipient, const Secret& password, std::size_t key_size,
                                       std::uint32_t most_iterations) {
    const auto derivation = read_derivation(recipient.derivation, most_iterations);
    if (!derivation) {
        return fail(derivation.error());
    }
    const auto wrapping = read_wrapping(recipient.encryption);
    if (!wrapping) {
        return fail(wrapping.error());
    }
    if (derivation->key_size.value_or(wrapping->cipher->key_size) != wrapping->cipher->key_size) {
        return malformed(fmt::format("its keyLength is not {}, that of the cipher", wrapping->cipher->key_size));
    }
    Bytes chosen(key_size);
    if (RAND_priv_bytes(chosen.data(), static_cast<int>(chosen.size())) != 1) {
        return fail(openssl_error("cannot draw a random content key"));
    }
    const std::size_t size = recipient.wrapped_key.size();
    // Of a size that nobody wraps no key is derived.
    if (size % block != 0 || size < 2 * block || size > longest_wrapped_key || size < length_and_check + key_size) {
        return PasswordKey{Secret(std::move(chosen)), derivation->iterations};
    }
    const auto key = derive(*derivation, password, wrapping->cipher->key_size);
    if (!key) {
        return fail(key.error());
    }
    Bytes blocks = recipient.wrapped_key;
    if (!unwrap_blocks(*wrapping, *key, blocks)) {
        wipe(blocks);
        return fail(openssl_error("cannot unwrap a content key"));
    }
    const std::uint8_t mask = is_good(blocks, key_size);
    for (std::size_t i = 0; i < key_size; ++i) {
        chosen[i] = static_cast<std::uint8_t>((blocks[length_and_check + i] & mask) |
                                              (chosen[i] & static_cast<std::uint8_t>(~mask)));
    }
    wipe(blocks);
    return PasswordKey{Secret(std::move(chosen)), derivation->iterations};
}

Result<Bytes> password_recipient_info(const Secret& content_key, const Secret& password, ContentCipher cipher) {
    const CipherInfo& asked = cipher_info(cipher);
    const CipherInfo& info = is_aes(asked) ? asked : cipher_info(ContentCipher::aes128);
    Derivation derivation{Bytes(own_salt_size), own_iterations, std::nullopt, "SHA256"};
    Bytes iv(block);
    if (RAND_bytes(derivation.salt.data(), static_cast<int>(derivation.salt.size())) != 1 ||
        RAND_bytes(iv.data(), static_cast<int>(iv.size())) != 1) {
        return fail(openssl_error("cannot draw a salt"));
    }
    const auto key = derive(derivation, password, info.key_size);
    if (!key) {
        return fail(key.error());
    }
    const auto wrapped = wrap(content_key, *key, {&info, iv});
    if (!wrapped) {
        return fail(wrapped.error());
    }
    const Bytes parameters = der::constructed(
        der::tag_sequence, {der::value(der::tag_octet_string, derivation.salt), integer(derivation.iterations),
                            der::algorithm_with_null(oid_hmac_sha256)});
    constexpr unsigned password_choice = 3;
    return der::constructed(
        der::tag_context(password_choice),
        {der::small_integer(0), der::constructed(der::tag_context(0), {der::object_identifier(oid_pbkdf2), parameters}),
         algorithm(oid_pwri_kek, algorithm(info.oid, der::value(der::tag_octet_string, iv))),
         der::value(der::tag_octet_string, *wrapped)});
}

}  // namespace hwenroll::scep
