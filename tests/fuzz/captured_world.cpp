#include "tests/fuzz/captured_world.h"

#include <algorithm>
#include <array>

#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::fuzz {
namespace {

struct Recording {
    const char* name;
    const char* ca_set;
};

constexpr std::array<Recording, 8> recordings{{{"step-aes.64", "step-aes.GetCACert.bin"},
                                               {"micromdm210.41", "micromdm210.GetCACert.bin"},
                                               {"micromdm210-badchallenge.43", "micromdm210.GetCACert.bin"},
                                               {"micromdmHEAD.16", ""},
                                               {"step-aes256.70", "step-aes.GetCACert.bin"},
                                               {"step-def.66", "step-aes.GetCACert.bin"},
                                               {"step-gcm.68", "step-aes.GetCACert.bin"},
                                               {"jscep.97", "jscep.GetCACert.bin"}}};

CapturedReply load(const Recording& recording) {
    test::CapturedExchange exchange = test::load_exchange(recording.name, recording.ca_set);
    scep::CertRep intact = scep::read_cert_rep(exchange.reply, exchange.expectation).value();
    Bytes content;
    if (const auto opened = scep::open_envelope(intact.envelope, exchange.request_signer, exchange.key.get(),
                                                test::everything_allowed(), {})) {
        content = to_bytes(opened->reveal());
    }
    return {std::move(exchange), std::move(intact), std::move(content)};
}

}  // namespace

const std::vector<CapturedReply>& captured_replies() {
    static const std::vector<CapturedReply> all = [] {
        std::vector<CapturedReply> loaded;
        for (const Recording& recording : recordings) {
            loaded.push_back(load(recording));
        }
        return loaded;
    }();
    return all;
}

const CapturedReply& reply_for(ByteView body) {
    const auto& all = captured_replies();
    const auto found = std::ranges::find_if(all, [&](const CapturedReply& reply) {
        return as_text(body).find(reply.exchange.expectation.transaction_id.value) != std::string_view::npos;
    });
    return found == all.end() ? all.front() : *found;
}

std::vector<std::string> captured_ca_sets() {
    return {"micromdm210.GetCACert.bin", "step-aes.GetCACert.bin", "jscep.GetCACert.bin", "jscep.GetNextCACert.bin"};
}

const std::vector<Certificate>& captured_authorities() {
    static const std::vector<Certificate> all = [] {
        std::vector<Certificate> found;
        for (const std::string& name : captured_ca_sets()) {
            const auto set = scep::parse_ca_certificates(test::capture(name), {}).value();
            found.insert(found.end(), set.begin(), set.end());
        }
        return found;
    }();
    return all;
}

}  // namespace hwenroll::fuzz
