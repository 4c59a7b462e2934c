// BAD-41 to BAD-104: SignedData, attributes and envelope of a CertRep.
#include "tests/e2e/hostile/hostile_row.h"

namespace hwenroll::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

}  // namespace

std::vector<HostileRow> signed_data_rows() {
    return {
        reply("BAD-41", End::retried, ErrorCode::scep_structure),
        reply("BAD-41b", End::retried, ErrorCode::scep_structure),
        reply("BAD-42", End::retried, ErrorCode::scep_structure),
        reply("BAD-43", End::retried, ErrorCode::scep_signature),
        reply("BAD-44", End::retried, ErrorCode::scep_signature),
        reply("BAD-45", End::retried, ErrorCode::scep_signature),
        reply("BAD-45b", End::retried, ErrorCode::scep_signature),
        reply("BAD-45c", End::retried, ErrorCode::scep_signature),
        poll_reply("BAD-45", End::pending, ErrorCode::scep_signature),
        reply("BAD-46", End::retried, ErrorCode::scep_signer),
        reply("BAD-47", End::retried, ErrorCode::scep_signer),
        poll_reply("BAD-47", End::pending, ErrorCode::scep_signer),
        reply("BAD-48", End::retried, ErrorCode::scep_signer)
            .from(Stage::beginning)
            .under({"GetCACert:*:mutate-BAD-48-set", "PKCSReq:1:drop", "PKCSReq:2:mutate-BAD-48"})
            .after_runs(1, hours(36), hours(14)),
        reply("BAD-50", End::retried, ErrorCode::scep_signer),
        reply("BAD-51", End::retried, ErrorCode::scep_attribute),
        reply("BAD-52", End::retried, ErrorCode::scep_signature),
        reply("BAD-53", End::retried, ErrorCode::scep_attribute),
        reply("BAD-54", End::retried, ErrorCode::scep_attribute),
        reply("BAD-55", End::retried, ErrorCode::scep_attribute),
        reply("BAD-56", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-57", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-58", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-59", End::retried, ErrorCode::scep_signature),
        reply("BAD-60", End::retried, ErrorCode::scep_signature)
            .from(Stage::beginning)
            .under({"GetCACert:*:mutate-BAD-60-set", "PKCSReq:*:mutate-BAD-60"}),
        reply("BAD-61", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-62", End::retried, ErrorCode::scep_structure),
        reply("BAD-63", End::retried, ErrorCode::scep_structure),
        reply("BAD-64", End::works),
        reply("BAD-65", End::retried, ErrorCode::ca_truncated),
        reply("BAD-65b", End::retried, ErrorCode::ca_truncated),
        reply("BAD-65c", End::retried, ErrorCode::scep_structure),
        reply("BAD-66", End::retried, ErrorCode::scep_structure),
        reply("BAD-66b", End::retried, ErrorCode::scep_structure),
        reply("BAD-67", End::works),
        reply("BAD-68", End::works),
        reply("BAD-69", End::retried, ErrorCode::scep_signature),
    };
}

std::vector<HostileRow> attribute_rows() {
    return {
        reply("BAD-70", End::retried, ErrorCode::scep_transaction),
        reply("BAD-71", End::retried, ErrorCode::scep_transaction),
        reply("BAD-72", End::retried, ErrorCode::scep_attribute),
        reply("BAD-73", End::retried, ErrorCode::scep_nonce),
        poll_reply("BAD-73", End::pending, ErrorCode::scep_nonce),
        reply("BAD-74", End::retried, ErrorCode::scep_nonce),
        reply("BAD-75", End::retried, ErrorCode::scep_nonce),
        reply("BAD-75b", End::retried, ErrorCode::scep_nonce),
        poll_reply("BAD-45", End::pending, ErrorCode::scep_nonce)
            .named("BAD-76")
            .under({"CertPoll:2:replay"})
            .after_runs(1, minutes(10), hours(2)),
        reply("BAD-45", End::retried, ErrorCode::scep_nonce)
            .named("BAD-76b")
            .under({"PKCSReq:1:lose", "PKCSReq:2:replay"})
            .after_runs(1, minutes(10), hours(2)),
        reply("BAD-77", End::retried, ErrorCode::scep_attribute),
        reply("BAD-78", End::retried, ErrorCode::scep_attribute),
        reply("BAD-79", End::retried, ErrorCode::scep_attribute),
        reply("BAD-80", End::retried, ErrorCode::scep_status),
        reply("BAD-80b", End::retried, ErrorCode::scep_status),
        reply("BAD-80c", End::retried, ErrorCode::scep_status),
        reply("BAD-80d", End::retried, ErrorCode::scep_status),
        reply("BAD-80e", End::retried, ErrorCode::scep_status),
        reply("BAD-81", End::retried, ErrorCode::scep_message_type),
        reply("BAD-81b", End::retried, ErrorCode::scep_message_type),
        refusal("BAD-82").saying("no failInfo"),
        refusal("BAD-83"),
        refusal("BAD-83b"),
        refusal("BAD-83c"),
        refusal("BAD-84"),
        refusal("BAD-84b"),
        refusal("BAD-84c"),
        reply("BAD-85", End::retried, ErrorCode::scep_attribute),
        reply("BAD-86", End::retried, ErrorCode::scep_structure),
    };
}

std::vector<HostileRow> envelope_rows() {
    return {
        reply("BAD-87", End::retried, ErrorCode::scep_envelope),
        // Dogtag means PENDING by it (Q-DOG-1).
        reply("BAD-88", End::pending, ErrorCode::ca_pending),
        poll_reply("BAD-88", End::pending, ErrorCode::ca_pending),
        reply("BAD-89", End::pending, ErrorCode::ca_pending),
        refusal("BAD-90"),
        reply("BAD-91", End::retried, ErrorCode::scep_recipient),
        reply("BAD-92", End::works),
        reply("BAD-93", End::retried, ErrorCode::scep_decrypt),
        // The CA has decided, by a signature that is good: the same poll would bring the same again (row Q13 of
        // docs/state-machine.md), so the next request is a new one.
        poll_reply("BAD-93", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-94", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-95", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-95b", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-95c", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-96", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-97", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-97b", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-97c", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-97d", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-98", End::retried, ErrorCode::scep_envelope),
        reply("BAD-98b", End::retried, ErrorCode::scep_envelope),
        reply("BAD-98c", End::retried, ErrorCode::scep_envelope),
        reply("BAD-98d", End::retried, ErrorCode::scep_envelope),
        reply("BAD-99", End::retried, ErrorCode::scep_algorithm),
        reply("BAD-103", End::retried, ErrorCode::scep_decrypt),
    };
}

}  // namespace hwenroll::test
