// What stands behind a good signature: a CA (or whoever holds its key) may put anything there. The first octet of an
// input says which part the rest becomes.
#include "tests/fuzz/oracle.h"
#include "tests/fuzz/signed_world.h"
#include "transport/scep/ber.h"

using namespace hwenroll;

namespace {

/// From an envelope to the certificate, as the agent goes on.
void open(ByteView envelope) {
    const fuzz::SignedWorld& world = fuzz::signed_world();
    const auto content = scep::open_envelope(envelope, world.request_signer, world.key.get(), {}, {});
    if (!content) {
        return;
    }
    const auto size = scep::check_ber(content->reveal(), scep::ParseLimits().max_depth);
    fuzz::require(size && *size == content->size(), "what was decrypted is one value (ENV-15)");
    if (const auto certificates = scep::read_degenerate(content->reveal(), {})) {
        fuzz::require(!certificates->empty(), "a set holds a certificate");
        const auto issued = scep::accept_certificate(*certificates, world.issue);
        fuzz::require(!issued || issued->leaf.public_key() == world.issue.public_key, "the key is ours (DEG-4)");
    }
}

void as_content(ByteView content) {
    const auto reply =
        scep::read_cert_rep(fuzz::signed_reply(fuzz::expected_attributes(), content), fuzz::signed_world().expectation);
    fuzz::require(reply.has_value(), "a SUCCESS with any content is read");
    fuzz::require((reply->status == scep::PkiStatus::pending) == content.empty(), "an empty one is PENDING (Q-DOG-1)");
    if (!content.empty()) {
        fuzz::require(equal(reply->envelope, content), "the envelope is what was signed (MSG-20)");
        open(reply->envelope);
    }
}

void as_attributes(ByteView attributes) {
    const fuzz::SignedWorld& world = fuzz::signed_world();
    static const Bytes content = fuzz::sealed(fuzz::certificate_set({world.request_signer.der()}));
    const auto reply = scep::read_cert_rep(fuzz::signed_reply(attributes, content), world.expectation);
    if (!reply) {
        return;
    }
    const std::string& transaction = world.expectation.transaction_id.value;
    fuzz::require(as_text(attributes).find(transaction) != std::string_view::npos, "the transaction is ours (MSG-9)");
    fuzz::require(reply->status == scep::PkiStatus::failure || !reply->fail_info,
                  "failInfo goes with FAILURE (MSG-13)");
    fuzz::require((reply->status == scep::PkiStatus::success) == !reply->envelope.empty(),
                  "an envelope goes with SUCCESS (MSG-18)");
    fuzz::require(reply->fail_info_text == printable(reply->fail_info_text, reply->fail_info_text.size() * 4 + 16),
                  "failInfoText is printable (MSG-14)");
}

void as_plaintext(ByteView plaintext) {
    const fuzz::SignedWorld& world = fuzz::signed_world();
    const Bytes body = fuzz::signed_reply(fuzz::expected_attributes(), fuzz::sealed(plaintext));
    const auto reply = scep::read_cert_rep(body, world.expectation);
    fuzz::require(reply.has_value(), "a well-formed reply is read");
    const auto size = scep::check_ber(plaintext, scep::ParseLimits().max_depth);
    const auto content = scep::open_envelope(reply->envelope, world.request_signer, world.key.get(), {}, {});
    fuzz::require(content.has_value() == (size && *size == plaintext.size()),
                  "an envelope for us opens if it holds one value (ENV-15)");
    fuzz::require(!content || equal(content->reveal(), plaintext), "it opens to what was sealed");
    open(reply->envelope);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            as_content(rest);
            break;
        case 1:
            as_attributes(rest);
            break;
        default:
            as_plaintext(rest);
    }
    return 0;
}
