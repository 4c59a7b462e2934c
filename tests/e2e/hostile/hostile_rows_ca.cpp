// BAD-1 to BAD-40: HTTP, GetCACaps and GetCACert.
#include "tests/e2e/hostile/hostile_row.h"

namespace hwenroll::test {
namespace {

using std::chrono::hours;

constexpr const char* by_get = "AES,SHA-256";
constexpr const char* short_exchange = "[limits]\nexchange_timeout = \"2s\"\n";

}  // namespace

std::vector<HostileRow> http_rows() {
    return {
        reply("BAD-1", End::retried, ErrorCode::ca_closed),
        reply("BAD-2", End::retried, ErrorCode::ca_interrupted),
        reply("BAD-3", End::retried, ErrorCode::ca_truncated),
        reply("BAD-4", End::retried, ErrorCode::ca_too_big),
        reply("BAD-4b", End::retried, ErrorCode::ca_http),
        reply("BAD-5", End::retried, ErrorCode::ca_too_big),
        reply("BAD-6", End::retried, ErrorCode::ca_timeout).with_agent(short_exchange),
        reply("BAD-7", End::retried, ErrorCode::ca_not_scep).saying("Please log in"),
        reply("BAD-8", End::lasting, ErrorCode::ca_redirect),
        ca_set("BAD-9", End::lasting, ErrorCode::ca_redirect),
        ca_set("BAD-9c", End::lasting, ErrorCode::ca_redirect),
        reply("BAD-9b", End::lasting, ErrorCode::ca_redirect),
        reply("BAD-11", End::retried, ErrorCode::ca_http).saying("challenge password is wrong"),
        reply("BAD-11b", End::retried, ErrorCode::ca_http).saying("\\x1b[2J"),
        reply("BAD-11c", End::retried, ErrorCode::ca_http),
        reply("BAD-12", End::retried, ErrorCode::ca_not_scep),
        reply("BAD-13", End::retried, ErrorCode::ca_http),
        reply("BAD-14", End::retried, ErrorCode::ca_http),
        reply("BAD-14b", End::retried, ErrorCode::ca_http),
        reply("BAD-15", End::retried, ErrorCode::scep_structure),
        reply("BAD-16", End::works),
        reply("BAD-17", End::lasting, ErrorCode::ca_http_refused)
            .from(Stage::beginning)
            .announcing(by_get)
            .saying("GET URL of"),
        // A portal that answers everything with its page (CAPS-9).
        capabilities("BAD-7", End::lasting, ErrorCode::ca_algorithm).named("BAD-7_GetCACaps"),
        ca_set("BAD-7", End::retried, ErrorCode::ca_not_scep).named("BAD-7_GetCACert").saying("Please log in"),
        ca_set("BAD-5", End::retried, ErrorCode::ca_too_big).named("BAD-5_GetCACert"),
        reply("BAD-18", End::retried, ErrorCode::scep_structure),
    };
}

std::vector<HostileRow> capability_rows() {
    return {
        capabilities("BAD-19", End::lasting, ErrorCode::ca_algorithm),
        capabilities("BAD-20", End::lasting, ErrorCode::ca_algorithm),
        capabilities("BAD-21", End::retried, ErrorCode::ca_too_big),
        capabilities("BAD-22", End::lasting, ErrorCode::ca_algorithm),
        // What was announced before counts, so a weaker answer changes nothing (CAPS-13).
        capabilities("BAD-23", End::works).from(Stage::keyed).after(hours(25)),
        capabilities("BAD-24", End::lasting, ErrorCode::ca_algorithm),
    };
}

std::vector<HostileRow> ca_set_rows() {
    return {
        ca_set("BAD-25", End::lasting, ErrorCode::ca_fingerprint),
        ca_set("BAD-26", End::lasting, ErrorCode::ca_certificate).pinning("No CA"),
        ca_set("BAD-27", End::works),
        ca_set("BAD-28", End::works),
        ca_set("BAD-29", End::lasting, ErrorCode::ca_certificate).saying("expired"),
        ca_set("BAD-30", End::works),
        // The search ends. The lowest CA is taken for the one that issues, which here cannot read the request (ENV-2).
        ca_set("BAD-31", End::retried, ErrorCode::scep_signer),
        ca_set("BAD-32", End::lasting, ErrorCode::ca_too_big),
        ca_set("BAD-32b", End::lasting, ErrorCode::ca_certificate),
        ca_set("BAD-33", End::retried, ErrorCode::ca_certificate),
        ca_set("BAD-34", End::retried, ErrorCode::ca_truncated),
        ca_set("BAD-35", End::lasting, ErrorCode::ca_certificate).pinning("Odd key"),
        ca_set("BAD-35b", End::lasting, ErrorCode::ca_certificate).pinning("Odd key"),
        ca_set("BAD-35c", End::lasting, ErrorCode::ca_certificate).pinning("Odd key"),
        ca_set("BAD-35d", End::lasting, ErrorCode::ca_certificate).pinning("Odd key"),
        ca_set("BAD-35e", End::lasting, ErrorCode::ca_certificate).pinning("Odd key"),
        // CT-7 would let a lenient mode take it; there is none.
        ca_set("BAD-36", End::lasting, ErrorCode::ca_not_scep).saying("it is PEM text"),
        ca_set("BAD-37", End::lasting, ErrorCode::ca_certificate).pinning("Root without depth"),
        ca_set("BAD-38", End::lasting, ErrorCode::ca_no_recipient).pinning("EC CA"),
        ca_set("BAD-39", End::works),
        ca_set("BAD-39b", End::works),
        ca_set("BAD-40", End::works),
    };
}

}  // namespace hwenroll::test
