// CRLs. The first octet says whether the rest is a list as it comes from a distribution point, or the entries or the
// extensions of one that the CA signed: lists that are believed cannot be forged by chance.
#include "transport/scep/crl.h"

#include "tests/fuzz/oracle.h"
#include "tests/fuzz/signed_world.h"

using namespace hwenroll;

namespace {

void read(ByteView octets) {
    const scep::ParseLimits limits;
    const auto crl = scep::read_crl(to_bytes(octets), limits);
    if (!crl) {
        fuzz::require(!crl.error().line().empty(), "an error has a text");
        const auto found = scep::find_revocations(octets, {{7}});
        fuzz::require(found || !found.error().line().empty(), "a search ends");
        return;
    }
    const auto& world = fuzz::signed_world();
    scep::CrlExpectation expected{world.authority, world.issue.now, {}, limits};
    const auto judged = scep::judge_crl(*crl, expected);
    fuzz::require(judged || !judged.error().line().empty(), "an error has a text");
    const auto found = scep::find_revocations(crl->der, {{7}, {8}});
    fuzz::require(found.has_value(), "a list that was read can be searched");
    fuzz::require(found->size() <= crl->entries, "no entry is found that is not there");
    if (judged) {
        fuzz::require(crl->issuer.same_rdns(world.authority.subject()), "the issuer is the CA (QRY-6)");
        expected.number = crl->number;
        expected.since = crl->this_update;
        fuzz::require(scep::judge_crl(*crl, expected).has_value(), "the list at hand passes");
        expected.number = Bytes(40, 0xFF);
        fuzz::require(!scep::judge_crl(*crl, expected), "a lower number does not");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const ByteView rest(data + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            read(rest);
            break;
        case 1:
            read(fuzz::signed_crl(rest, fuzz::expected_crl_extensions()));
            break;
        default:
            read(fuzz::signed_crl(fuzz::expected_crl_entries(), rest));
    }
    return 0;
}
