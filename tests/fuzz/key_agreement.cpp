// Envelopes by key agreement (KeyAgreeRecipientInfo), opened as on a token. The first octet of an input says which part
// the rest becomes: the whole envelope, its recipients, what is wrapped, or the keying material beside it.
#include <array>

#include <openssl/evp.h>

#include "keystore/openssl/agreed_key.h"
#include "tests/fuzz/ec_envelope.h"
#include "tests/fuzz/ec_world.h"
#include "tests/fuzz/oracle.h"
#include "tests/keystore/software_token.h"
#include "transport/scep/cert_rep.h"

using namespace hwenroll;

namespace {

/// A token that holds one key of ec_world().
struct Device {
    explicit Device(const test::Key& key)
        : reference{keystore::KeyId{{1}}, PublicKey::of(key.get()).value(), {}}, token(memory(key), no_pin()) {
        const bool prepared = token.prepare_login().has_value();
        const bool logged_in = prepared && token.login({}).result == keystore::LoginOutcome::Result::accepted;
        fuzz::require(logged_in, "the token of this world wants no PIN");
    }

    static keystore::PinSource no_pin() { return keystore::PinSource::parse("").value(); }

    std::shared_ptr<keystore::test::SoftwareDevice> memory(const test::Key& key) const {
        auto device = std::make_shared<keystore::test::SoftwareDevice>();
        EVP_PKEY_up_ref(key.get());
        device->keys.push_back({{reference, "key", {true, false, true, true, true}, true, false, true, "memory:id=01"},
                                OpenSslPtr<EVP_PKEY>(key.get())});
        return device;
    }

    keystore::KeyReference reference;
    keystore::test::SoftwareToken token;
};

bool is_on_curve(const PublicKey& key) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    return EVP_PKEY_public_check(context.get()) == 1;
}

Result<scep::OpenedEnvelope> open_with(Device& device, ByteView envelope) {
    int agreed = 0;
    const scep::EcRecipient recipient{[&](const scep::KeyAgreement& with) {
        ++agreed;
        fuzz::require(is_on_curve(with.originator), "no token is asked to agree with a point off the curve (BAD-102)");
        fuzz::require(with.originator.point().size() == fuzz::ec_world().certificate.public_key().point().size(),
                      "the sender's key is on our curve");
        return keystore::open_agreed_key(
            device.token, device.reference,
            {with.originator, with.digest, with.wrap_algorithm, with.user_keying_material, with.wrapped_key});
    }};
    auto opened = scep::open_envelope(envelope, fuzz::ec_world().certificate, recipient, {}, {});
    fuzz::require(agreed <= 1, "one use of the key at most (ENV-12)");
    return opened;
}

/// The envelope's content, checked by what holds for every one.
std::optional<Secret> open(ByteView envelope) {
    static Device ours(fuzz::ec_world().key);
    static Device theirs(fuzz::ec_world().other);
    auto opened = open_with(ours, envelope);
    if (!opened) {
        return std::nullopt;
    }
    const auto stolen = open_with(theirs, envelope);
    fuzz::require(!stolen, "another key opens nothing");
    fuzz::require(stolen.error().code() == ErrorCode::scep_decrypt, "a wrong key looks like bad padding (SEC-9)");
    return fuzz::checked_content(std::move(*opened), envelope, false);
}

void as_envelope(ByteView envelope) {
    open(envelope);
}

void as_recipients(ByteView recipients) {
    fuzz::require_what_was_sealed(open(fuzz::envelope_for(recipients)));
}

/// RFC 3394 §2.2.1: whole halves of a block, two at least.
void as_wrapped(ByteView wrapped) {
    constexpr std::size_t half = 8;
    constexpr std::size_t most = 64;
    Bytes octets = to_bytes(wrapped.first(std::min(wrapped.size(), most)));
    octets.resize(std::max(2 * half, (octets.size() + half - 1) / half * half));
    const auto content = open(fuzz::envelope_for(fuzz::by_agreement(octets)));
    fuzz::require(content.has_value() == (octets == fuzz::ec_world().content_key),
                  "the content key opens, and nothing else");
}

void as_material(ByteView material) {
    constexpr std::size_t most = 128;
    const auto content = open(fuzz::envelope_for(fuzz::by_agreement({}, material)));
    fuzz::require(content.has_value() == (material.size() <= most), "a ukm of up to 128 octets is agreed under");
    fuzz::require_what_was_sealed(content);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::array<fuzz::Part, 4> parts{as_envelope, as_recipients, as_wrapped, as_material};
    return fuzz::choose_part({data, size}, parts);
}
