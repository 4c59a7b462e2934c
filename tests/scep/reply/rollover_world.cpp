#include "tests/scep/reply/rollover_world.h"

#include <algorithm>
#include <stdexcept>

namespace hwenroll::test {
namespace {

using std::chrono::days;

RolloverWorld make_world() {
    const Key next_key = rsa_key(11);
    const Key next_ra_key = rsa_key(12);
    const Certificate next = self_signed(next_ca_spec(), next_key);
    CertificateSpec ra = ra_spec("CN=Next RA,O=Example", "critical,digitalSignature,keyEncipherment");
    ra.serial = 102;
    ra.not_before = next.not_before();
    ra.not_after = next.not_after();
    CertificateSpec link = next_ca_spec();
    link.serial = 103;
    return {next_key,
            next_ra_key,
            next,
            issued(ra, next_ra_key, next, next_key),
            issued(link, next_key, world().ca, world().ca_key),
            {.current = ca_set({world().ca, world().ra}), .now = present()}};
}

}  // namespace

const RolloverWorld& rollover_world() {
    static const RolloverWorld made = make_world();
    return made;
}

CertificateSpec next_ca_spec() {
    CertificateSpec spec = ca_spec("CN=Test CA,O=Example");
    spec.serial = 101;
    spec.not_before = present() + days(300);
    spec.not_after = present() + days(3000);
    return spec;
}

scep::CaSet ca_set(const std::vector<Certificate>& certificates) {
    auto set = scep::authenticate(certificates, {.pinned = {certificates.at(0).fingerprint()}, .now = present()});
    if (!set) {
        throw std::runtime_error(set.error().line());
    }
    return *std::move(set);
}

std::vector<Bytes> encodings(const std::vector<Certificate>& certificates) {
    std::vector<Bytes> all;
    std::ranges::transform(certificates, std::back_inserter(all), &Certificate::der);
    return all;
}

ForgedReply next_ca_reply(const std::vector<Certificate>& certificates) {
    ForgedReply reply;
    reply.attributes.clear();
    reply.content = degenerate(encodings(certificates));
    reply.signer_id = issuer_and_serial(world().ca);
    reply.signer_key = world().ca_key;
    reply.certificates = {world().ca.der()};
    return reply;
}

ForgedReply flat_next_ca_reply(const std::vector<Certificate>& certificates) {
    ForgedReply reply = next_ca_reply({});
    reply.content.reset();
    reply.certificates = encodings(certificates);
    return reply;
}

}  // namespace hwenroll::test
