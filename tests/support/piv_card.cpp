#include "tests/support/piv_card.h"

#include <algorithm>
#include <stdexcept>

#include <openssl/rsa.h>

namespace hwenroll::test {
namespace {

constexpr std::size_t modulus_size = 256;

// Status words (ISO 7816-4 §5.6).
constexpr std::uint16_t done = 0x9000;
constexpr std::uint16_t more_waits = 0x6100;
constexpr std::uint16_t tries_are_left = 0x63C0;
constexpr std::uint16_t not_verified = 0x6982;
constexpr std::uint16_t blocked = 0x6983;
constexpr std::uint16_t not_found = 0x6A82;
constexpr std::uint16_t no_such_key = 0x6A88;
constexpr std::uint16_t wrong_data = 0x6A80;
constexpr std::uint16_t unknown_instruction = 0x6D00;

Bytes status(std::uint16_t word) {
    return {static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word & 0xFF)};
}

void append(Bytes& to, ByteView what) {
    to.insert(to.end(), what.begin(), what.end());
}

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

/// BER-TLV with a definite length of up to 65535.
Bytes tlv(std::string_view tag, ByteView value) {
    Bytes out = hex(tag);
    if (value.size() > 0xFF) {
        append(out, Bytes{0x82, static_cast<std::uint8_t>(value.size() >> 8)});
    } else if (value.size() > 0x7F) {
        out.push_back(0x81);
    }
    out.push_back(static_cast<std::uint8_t>(value.size() & 0xFF));
    append(out, value);
    return out;
}

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string("the virtual card cannot ") + what);
    }
}

OpenSslPtr<X509> self_signed(EVP_PKEY* key, const std::string& name, std::uint8_t serial, const char* usage_text) {
    OpenSslPtr<X509> certificate(X509_new());
    OpenSslPtr<X509_NAME> subject(X509_NAME_new());
    X509_NAME_add_entry_by_txt(subject.get(), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()),
                               -1, -1, 0);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_set_subject_name(certificate.get(), subject.get());
    X509_set_issuer_name(certificate.get(), subject.get());
    X509_time_adj_ex(X509_getm_notBefore(certificate.get()), -1, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(certificate.get()), 99, 0, nullptr);
    X509_set_pubkey(certificate.get(), key);
    const OpenSslPtr<X509_EXTENSION> usage(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_key_usage, (std::string("critical,") + usage_text).c_str()));
    X509_add_ext(certificate.get(), usage.get(), -1);
    require(X509_sign(certificate.get(), key, EVP_sha256()) > 0, "sign its certificate");
    return certificate;
}

/// A command APDU (ISO 7816-3 §12.1), short lengths only.
struct Command {
    bool chained = false;
    std::uint8_t instruction = 0;
    std::uint8_t p1 = 0;
    std::uint8_t p2 = 0;
    ByteView data;
    std::size_t expected = 256;
};

Command parse(ByteView octets) {
    Command command;
    constexpr std::size_t head = 5;
    if (octets.size() < 4) {
        return command;
    }
    command.chained = (octets[0] & 0x10) != 0;
    command.instruction = octets[1];
    command.p1 = octets[2];
    command.p2 = octets[3];
    const bool has_data = octets.size() > head && octets.size() >= head + octets[4];
    if (has_data) {
        command.data = octets.subspan(head, octets[4]);
    }
    const bool has_expected = octets.size() == head || (has_data && octets.size() == head + octets[4] + 1);
    if (has_expected && octets.back() != 0) {
        command.expected = octets.back();
    }
    return command;
}

/// The private operation of RSA, without padding.
Bytes raw_rsa(EVP_PKEY* key, ByteView input) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    Bytes output(modulus_size);
    std::size_t size = output.size();
    const bool computed = EVP_PKEY_decrypt_init(context.get()) > 0 &&
                          EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) > 0 &&
                          EVP_PKEY_decrypt(context.get(), output.data(), &size, input.data(), input.size()) > 0;
    return computed ? output : Bytes();
}

/// ECDSA over a digest, as Ecdsa-Sig-Value.
Bytes ecdsa(EVP_PKEY* key, ByteView digest) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    Bytes output(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t size = output.size();
    if (EVP_PKEY_sign_init(context.get()) <= 0 ||
        EVP_PKEY_sign(context.get(), output.data(), &size, digest.data(), digest.size()) <= 0) {
        return {};
    }
    output.resize(size);
    return output;
}

/// ECDH with an uncompressed point.
Bytes ecdh(EVP_PKEY* key, ByteView point) {
    const OpenSslPtr<EVP_PKEY> peer(EVP_PKEY_new());
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
    Bytes output(static_cast<std::size_t>(EVP_PKEY_get_bits(key)) / 8);
    std::size_t size = output.size();
    const bool computed = EVP_PKEY_copy_parameters(peer.get(), key) > 0 &&
                          EVP_PKEY_set1_encoded_public_key(peer.get(), point.data(), point.size()) > 0 &&
                          EVP_PKEY_derive_init(context.get()) > 0 &&
                          EVP_PKEY_derive_set_peer(context.get(), peer.get()) > 0 &&
                          EVP_PKEY_derive(context.get(), output.data(), &size) > 0;
    return computed ? output : Bytes();
}

/// What a dynamic authentication template asks for (SP 800-73-4 part 2, table 7): a challenge (81) or an exponentiation
/// (85). Empty when it is neither, or damaged.
struct Question {
    std::uint8_t tag = 0;
    ByteView value;
};

/// Takes a BER-TLV with a length of up to 65535 off the front.
std::optional<Question> take_tlv(ByteView& octets) {
    if (octets.size() < 2) {
        return std::nullopt;
    }
    const std::size_t more = octets[1] > 0x80 ? octets[1] - 0x80 : 0;
    if (more > 2 || octets.size() < 2 + more) {
        return std::nullopt;
    }
    std::size_t length = more == 0 ? octets[1] : 0;
    for (std::size_t i = 0; i < more; ++i) {
        length = length << 8 | octets[2 + i];
    }
    const std::uint8_t tag = octets[0];
    octets = octets.subspan(2 + more);
    if (octets.size() < length) {
        return std::nullopt;
    }
    const Question taken{tag, octets.first(length)};
    octets = octets.subspan(length);
    return taken;
}

Question question_in(ByteView request) {
    const auto whole = take_tlv(request);
    ByteView parts = whole ? whole->value : ByteView();
    while (const auto part = take_tlv(parts)) {
        if (part->tag != 0x82) {  // the place of the response
            return *part;
        }
    }
    return {};
}

/// Empty for what the key does not do.
Bytes answer_to(const Question& question, PivKey reference, EVP_PKEY* key) {
    switch (reference) {
        case PivKey::authentication:
        case PivKey::signature:
            return question.tag == 0x81 && question.value.size() == modulus_size ? raw_rsa(key, question.value)
                                                                                 : Bytes();
        case PivKey::management:
            return question.tag == 0x85 ? ecdh(key, question.value) : Bytes();
        case PivKey::card_authentication:
            return question.tag == 0x81 ? ecdsa(key, question.value) : Bytes();
    }
    return {};
}

}  // namespace

PivCard::PivCard(const PivCardSetup& setup)
    : pin_(setup.pin), most_tries_(setup.tries), has_ec_keys_(setup.ec_keys), tries_(setup.tries) {
    make_key({PivKey::authentication, 0x05, "PIV auth", "digitalSignature,keyEncipherment"});
    make_key({PivKey::signature, 0x0A, "PIV sign", "digitalSignature,keyEncipherment"});
    if (setup.ec_keys) {
        make_key({PivKey::management, 0x0B, "PIV agree", "keyAgreement"});
        make_key({PivKey::card_authentication, 0x01, "PIV card", "digitalSignature"});
    }
    // Discovery object: the application's id; the PIN of this application alone is used (SP 800-73-4 part 1, §3.3.2).
    objects_["7E"] = hex("7E124F0BA0000003080000100001005F2F024000");
    // Card holder unique identifier: no FASC-N, the GUID, an expiry date.
    Bytes holder = tlv("30", Bytes(25));
    append(holder, tlv("34", Bytes(16, setup.number)));
    append(holder, tlv("35", as_bytes("20991231")));
    append(holder, hex("3E00FE00"));
    objects_["5FC102"] = tlv("53", holder);
}

void PivCard::make_key(const KeyPlan& plan) {
    KeyPair& key = keys_[plan.reference];
    const bool ec = plan.reference == PivKey::management || plan.reference == PivKey::card_authentication;
    key.pair.reset(ec ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256") : EVP_RSA_gen(modulus_size * 8));
    require(key.pair != nullptr, "make a key");
    const auto certificate =
        self_signed(key.pair.get(), plan.name, static_cast<std::uint8_t>(plan.reference), plan.usage);
    Bytes content = tlv("70", der_of([&](unsigned char** out) { return i2d_X509(certificate.get(), out); }));
    append(content, hex("710100FE00"));
    objects_["5FC1" + to_hex(Bytes{plan.object})] = tlv("53", content);
}

Bytes PivCard::answer_to_reset() const {
    return hex(has_ec_keys_ ? "3B8580018073C021C0D6" : "3B80800101");
}

void PivCard::reset() {
    const std::lock_guard lock(mutex_);
    verified_ = false;
    verified_for_one_ = false;
    chained_.clear();
    waiting_.clear();
}

std::optional<Bytes> PivCard::answer(ByteView command) {
    const std::lock_guard lock(mutex_);
    Bytes response = execute(command);
    if (std::exchange(left_, false)) {
        return std::nullopt;
    }
    return response;
}

Bytes PivCard::execute(ByteView octets) {
    const Command command = parse(octets);
    if (command.instruction == 0xC0) {  // GET RESPONSE
        return next_part(command.expected);
    }
    append(chained_, command.data);
    if (command.chained) {
        return status(done);
    }
    const Bytes data = std::exchange(chained_, {});
    Bytes answered = status(unknown_instruction);
    switch (command.instruction) {
        case 0xA4:
            answered = select(command.p1, data);
            break;
        case 0xCB:
            answered = get_data(data);
            break;
        case 0x20:
            answered = verify(data);
            break;
        case 0x87:
            answered = authenticate(command.p2, data);
            break;
        default:
            break;
    }
    return answered.empty() ? next_part(command.expected) : answered;
}

/// SELECT by name. Empty: the response waits.
Bytes PivCard::select(std::uint8_t how, ByteView name) {
    const Bytes piv = hex("A000000308");
    if (how != 4 || name.size() < piv.size() || !equal(name.first(piv.size()), piv)) {
        return status(not_found);
    }
    waiting_ = hex("61114F0600001000010079074F05A000000308");
    return {};
}

Bytes PivCard::get_data(ByteView request) {
    if (request.size() < 2 || request.size() < 2U + request[1]) {
        return status(wrong_data);
    }
    const auto found = objects_.find(to_hex(request.subspan(2, request[1])));
    if (found == objects_.end()) {
        return status(not_found);
    }
    waiting_ = found->second;
    return {};
}

/// VERIFY. Without a PIN it asks how many tries are left (SP 800-73-4 part 2, §3.2.1).
Bytes PivCard::verify(ByteView padded) {
    if (padded.empty()) {
        return verified_ ? status(done) : tries_ == 0 ? status(blocked) : status(tries_are_left + tries_);
    }
    ++presented_;
    if (tries_ == 0) {
        return status(blocked);
    }
    Bytes wanted = to_bytes(as_bytes(pin_));
    wanted.resize(8, 0xFF);
    verified_ = verified_for_one_ = equal(padded, wanted);
    if (!verified_) {
        ++refused_;
        --tries_;
        return tries_ == 0 ? status(blocked) : status(tries_are_left + tries_);
    }
    tries_ = most_tries_;
    return status(done);
}

/// GENERAL AUTHENTICATE (SP 800-73-4 part 2, §3.2.4).
Bytes PivCard::authenticate(std::uint8_t reference, ByteView request) {
    const auto key = keys_.find(static_cast<PivKey>(reference));
    if (key == keys_.end()) {
        return status(no_such_key);
    }
    left_ = std::exchange(leaving_, false);
    const bool allowed = key->first == PivKey::card_authentication ||
                         (key->first == PivKey::signature ? std::exchange(verified_for_one_, false) : verified_);
    if (left_ || !allowed) {
        return status(not_verified);
    }
    const Bytes result = answer_to(question_in(request), key->first, key->second.pair.get());
    if (result.empty()) {
        return status(wrong_data);
    }
    ++key->second.uses;
    waiting_ = tlv("7C", tlv("82", result));
    return {};
}

Bytes PivCard::next_part(std::size_t expected) {
    const std::size_t size = std::min(expected, waiting_.size());
    Bytes part(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(size));
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(size));
    const auto left = static_cast<std::uint16_t>(std::min<std::size_t>(waiting_.size(), 0xFF));
    append(part, status(left == 0 ? done : more_waits + left));
    return part;
}

Bytes PivCard::public_key(PivKey key) const {
    const std::lock_guard lock(mutex_);
    return der_of([&](unsigned char** out) { return i2d_PUBKEY(keys_.at(key).pair.get(), out); });
}

int PivCard::tries_left() const {
    const std::lock_guard lock(mutex_);
    return tries_;
}

int PivCard::pins_presented() const {
    const std::lock_guard lock(mutex_);
    return presented_;
}

int PivCard::pins_refused() const {
    const std::lock_guard lock(mutex_);
    return refused_;
}

int PivCard::uses(PivKey key) const {
    const std::lock_guard lock(mutex_);
    return keys_.at(key).uses;
}

void PivCard::change_pin(const std::string& pin) {
    const std::lock_guard lock(mutex_);
    pin_ = pin;
}

void PivCard::lose_tries(int count) {
    const std::lock_guard lock(mutex_);
    tries_ = std::max(0, tries_ - count);
    verified_ = verified_for_one_ = false;
}

void PivCard::leave_at_next_use() {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
}

}  // namespace hwenroll::test
