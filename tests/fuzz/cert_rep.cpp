// CertRep from outside: nobody but the CA can make one that counts.
#include "tests/fuzz/captured_world.h"
#include "tests/fuzz/oracle.h"
#include "transport/scep/message_dump.h"

using namespace hwenroll;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView body(data, size);
    const fuzz::CapturedReply& captured = fuzz::reply_for(body);
    const auto reply = scep::read_cert_rep(body, captured.exchange.expectation);
    if (reply) {
        fuzz::require(reply->status == captured.intact.status && reply->fail_info == captured.intact.fail_info &&
                          reply->envelope == captured.intact.envelope && reply->signer == captured.intact.signer &&
                          reply->digest == captured.intact.digest,
                      "a reply with a good signature says what the CA signed (MSG-20)");
    } else {
        fuzz::require(!reply.error().line().empty(), "an error has a text");
    }
    // The same octets laid open for a person; nothing is verified there.
    const auto dump = scep::dump(body, captured.exchange.key.get(), {});
    for (const scep::DumpLine& line : dump ? dump->lines : std::vector<scep::DumpLine>()) {
        fuzz::require(line.value == printable(line.value, line.value.size() * 4 + 16), "a dump is printable (SEC-14)");
    }
    return 0;
}
