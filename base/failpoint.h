// Named places at which a test kills a process: the crash points of invariant 9. Compiled out of a release (ADR 0009).
#pragma once

#include <string_view>

namespace hwenroll {

/// Every crash point, by the program that passes it and in about the order of a first enrollment.
inline constexpr std::string_view failpoint_names[] = {
    // hwenrolld: the decisions of an identity, each committed before its effect
    "decision-made", "key-id-committed", "envelope-key-id-committed", "key-committed", "request-committed",
    "poll-committed", "wait-committed", "refusal-committed", "issue-committed", "publish-committed",
    "delivery-committed", "seek-committed", "alert-committed",
    // hwenrolld: the effects
    "key-generated", "envelope-key-generated", "request-signed", "reply-received", "reply-opened",
    "generation-published", "hooks-ended", "delivery-ended", "key-destroyed", "settled",
    // hwenrolld: the CA
    "capabilities-received", "certificates-received", "authority-accepted", "authority-doubted", "successor-received",
    "successor-accepted", "authority-switched",
    // hwenrolld: itself, its logins
    "daemon-ready", "clock-seen", "login-intended", "login-recorded",
    // hwenrolld: the database
    "transaction-begun", "transaction-written", "transaction-committed",
    // hwenrolld: the published files
    "rehearsal-written", "generation-begun", "file-written", "generation-written", "generation-named",
    "generation-synced", "link-made", "link-switched", "link-synced", "old-generation-renamed",
    // hwenroll-token: the worker, the login, the keys
    "worker-started", "request-taken", "answer-ready", "login-prepared", "login-begun", "login-ended", "pair-wanted",
    "pair-made", "pair-checked", "signature-wanted", "signature-made", "plaintext-wanted", "plaintext-made",
    "half-destroyed", "halves-gone"};

/// A name of the table: any other does not compile.
class FailpointName {
 public:
    consteval FailpointName(const char* name) : name_(name) {  // NOLINT(google-explicit-constructor): a checked literal
        bool known = false;
        for (const std::string_view listed : failpoint_names) {
            known = known || listed == name_;
        }
        if (!known) {
            throw "no crash point of this name";
        }
    }

    [[nodiscard]] constexpr std::string_view text() const { return name_; }

 private:
    std::string_view name_;
};

#ifdef HWENROLL_FAILPOINTS
/// SIGKILLs the process when the environment says so; any thread.
///
/// HWENROLL_FAILPOINT is a list of places, separated by commas, each `NAME` or `NAME:N`, the N-th time (from 1) that
/// this process passes it; `*` stands for any name, and `NAME@PROGRAM` is looked at in processes of that
/// program alone. Without HWENROLL_FAILPOINT_SPENT only the first counts, each time.
/// With it, a path, a kill first creates PATH.0, PATH.1, …, for the first place, the second, …: each kills one process,
/// and the next place counts from the next start of a process on. HWENROLL_FAILPOINT_LOG, a path, collects the names of
/// all places that are passed, a line each.
void failpoint(FailpointName name);
#else
inline void failpoint(FailpointName /*name*/) {}
#endif

}  // namespace hwenroll
