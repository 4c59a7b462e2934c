// GetNextCACert: the one answer that can make the agent trust another CA (invariant 10). The first octet of an input
// says whether the rest is a body as it comes from the network, what the CA in force signed, or the certificates beside
// it.
#include "tests/fuzz/next_world.h"
#include "tests/fuzz/oracle.h"

using namespace hwenroll;

namespace {

/// What holds for every accepted answer.
void check(const scep::NextCa& next, const scep::NextCaExpectation& expected) {
    const Certificate& issuer = next.set.issuer;
    fuzz::require(issuer.is_ca(), "the next CA is a CA (ROLL-7)");
    fuzz::require(issuer != expected.current.issuer, "the next CA is not the one in force (ROLL-17)");
    fuzz::require(issuer.not_after() > expected.current.issuer.not_after(), "the next CA ends later (ROLL-7)");
    fuzz::require(!next.certificates.empty() && next.certificates.size() <= expected.limits.max_certificates,
                  "one to 64 certificates");
    const auto again = scep::restore_next_ca(next.certificates, {.pinned = {next.set.anchor.fingerprint()},
                                                                 .now = issuer.not_before() + std::chrono::hours(1)});
    fuzz::require(!again || again->issuer == issuer, "what is stored leads to the same CA");
}

void under_every_rule(ByteView body, bool from_network) {
    scep::NextCaExpectation expected = fuzz::next_world().expectation;
    for (const auto rule : {scep::RolloverRule::signature, scep::RolloverRule::operator_}) {
        expected.rule = rule;
        const auto next = scep::read_next_ca(body, expected);
        if (!next) {
            fuzz::require(!next.error().line().empty(), "an error has a text");
            continue;
        }
        check(*next, expected);
        fuzz::require(next->needs_acceptance == (rule == scep::RolloverRule::operator_),
                      "an operator decides under \"operator\" and nowhere else (ROLL-8)");
        fuzz::require(!from_network || next->set.issuer.public_key() == fuzz::next_world().next.public_key(),
                      "nobody but the CA in force names the next one (ROLL-5, ROLL-6)");
    }
    expected.rule = scep::RolloverRule::fingerprint;
    expected.fingerprints = {Bytes(32, 0x11)};
    fuzz::require(!scep::read_next_ca(body, expected), "another fingerprint is never accepted (ROLL-8)");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            under_every_rule(rest, true);
            break;
        case 1:
            under_every_rule(fuzz::signed_reply({}, rest), false);
            break;
        default:
            under_every_rule(fuzz::signed_reply({}, {}, rest), true);
    }
    return 0;
}
