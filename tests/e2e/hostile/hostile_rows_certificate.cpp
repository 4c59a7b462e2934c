// BAD-105 to BAD-134: the issued certificate, and the CA's successor.
#include "tests/e2e/hostile/hostile_row.h"

namespace hwenroll::test {

std::vector<HostileRow> certificate_rows() {
    return {
        reply("BAD-105", End::retried, ErrorCode::scep_inner),
        // Behind the padding there is one outward error (ENV-15, SEC-9).
        reply("BAD-106", End::retried, ErrorCode::scep_decrypt),
        reply("BAD-107", End::retried, ErrorCode::scep_no_certificate),
        reply("BAD-108", End::retried, ErrorCode::scep_key_mismatch),
        reply("BAD-109", End::retried, ErrorCode::scep_key_mismatch),
        reply("BAD-110", End::retried, ErrorCode::scep_chain),
        reply("BAD-110b", End::retried, ErrorCode::scep_chain),
        reply("BAD-111", End::retried, ErrorCode::scep_certificate),
        reply("BAD-111b", End::retried, ErrorCode::scep_certificate),
        reply("BAD-112", End::retried, ErrorCode::scep_certificate),
        reply("BAD-113", End::retried, ErrorCode::scep_certificate),
        reply("BAD-113b", End::retried, ErrorCode::scep_certificate),
        renewal_reply("BAD-113c", End::retried, ErrorCode::scep_no_progress),
        renewal_reply("BAD-114", End::retried, ErrorCode::scep_no_progress).with_identity("new_key = \"reuse\"\n"),
        reply("BAD-115", End::works),
        reply("BAD-116", End::retried, ErrorCode::scep_certificate),
        reply("BAD-117", End::retried, ErrorCode::scep_certificate),
        reply("BAD-117b", End::works),
        reply("BAD-117c", End::retried, ErrorCode::scep_certificate),
        reply("BAD-118", End::works),
        reply("BAD-118b", End::retried, ErrorCode::scep_inner),
        reply("BAD-118c", End::retried, ErrorCode::scep_inner),
        reply("BAD-119", End::retried, ErrorCode::scep_certificate),
        reply("BAD-119b", End::works).saying("serial number 0"),
        reply("BAD-119c", End::retried, ErrorCode::scep_certificate),
        reply("BAD-120", End::retried, ErrorCode::scep_chain),
        reply("BAD-121", End::works),
        reply("BAD-122", End::works),
        poll_reply("BAD-123", End::pending, ErrorCode::ca_pending),
        // As BAD-93: the CA has decided. A forged SUCCESS is BAD-47 while pending.
        poll_reply("BAD-124", End::retried, ErrorCode::scep_key_mismatch),
    };
}

std::vector<HostileRow> rollover_rows() {
    return {
        next_ca("BAD-125", End::retried, ErrorCode::scep_signature),
        next_ca("BAD-126", End::retried, ErrorCode::scep_signer),
        next_ca("BAD-126b", End::retried, ErrorCode::scep_signer),
        next_ca("BAD-127", End::works),
        next_ca("BAD-128", End::retried, ErrorCode::ca_next),
        // There is no successor yet (ROLL-4): asked again, and people are told when the certificate nears its end.
        next_ca("BAD-129", End::nothing),
        next_ca("BAD-130", End::retried, ErrorCode::ca_next),
        next_ca("BAD-130b", End::retried, ErrorCode::ca_next),
        next_ca("BAD-130c", End::retried, ErrorCode::ca_next),
        next_ca("BAD-131", End::retried, ErrorCode::ca_next),
        next_ca("BAD-132", End::retried, ErrorCode::ca_next),
        shadow_reply("BAD-133", End::retried, ErrorCode::scep_rollover_issuer),
        next_ca("BAD-134", End::works),
        next_ca("BAD-1", End::retried, ErrorCode::ca_closed),
        next_ca("BAD-5", End::retried, ErrorCode::ca_too_big),
        next_ca("BAD-7", End::retried, ErrorCode::ca_not_scep),
        next_ca("BAD-12", End::retried, ErrorCode::ca_not_scep),
    };
}

}  // namespace hwenroll::test
