// Faults by rule (SRV-13): the n-th request of an operation is not answered as it should be.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tests/lab_ca/http_message.h"
#include "tests/lab_ca/mutator.h"

namespace hwenroll::lab_ca {

enum class FaultAction {
    drop,      ///< the connection is closed; the request is not processed
    reset,     ///< the connection is reset; the request is not processed
    status,    ///< this HTTP status; the request is not processed
    replay,    ///< the last answer to that operation again, without processing; the first request is answered
    lose,      ///< processed, but the connection is closed without the answer
    delay,     ///< answered after that many milliseconds
    truncate,  ///< half of the answer's body, then the connection is closed
    drip,      ///< the answer octet by octet, with that many milliseconds between them
    bitflip,   ///< one bit in the middle of the body is wrong
    mutate,    ///< by the rule's mutator
};

struct FaultRule {
    std::string operation;        ///< one that faults.cpp lists: GetCACaps, …, CertPoll, GetCert, GetCRL
    std::optional<unsigned> nth;  ///< from 1; absent: every one
    FaultAction action = FaultAction::drop;
    int number = 0;                    ///< milliseconds or status
    const Mutator* mutator = nullptr;  ///< of FaultAction::mutate

    /// From `OPERATION:N:ACTION`, with `*` for every one: `PKCSReq:1:lose`, `GetCACert:*:status-503`,
    /// `CertPoll:2:delay-1500`, `PKCSReq:1:mutate-BAD-45`. Actions are drop, reset, status-NNN, replay, lose, delay-MS,
    /// truncate, drip[-MS], body-bitflip and mutate-ID with the id of a mutator. Error code: usage.
    static Result<FaultRule> from_text(std::string_view text);
};

/// Counts requests and spoils answers, for one run of the CA. Used by one thread.
class Faults {
 public:
    explicit Faults(std::vector<FaultRule> rules) : rules_(std::move(rules)) {}

    [[nodiscard]] bool any() const { return !rules_.empty(); }

    /// Counts a request of `operation`; the first rule for it, or nullptr. Borrowed.
    const FaultRule* meet(const std::string& operation);

    /// The answer that takes the place of processing; absent where the request is to be processed.
    [[nodiscard]] std::optional<HttpReply> instead(const FaultRule& rule) const;

    /// `reply`, spoilt where `rule` says so, and remembered for a replay as it was.
    HttpReply spoilt(const std::string& operation, const FaultRule* rule, const MutationScene& scene, HttpReply reply);

 private:
    std::vector<FaultRule> rules_;
    std::map<std::string, unsigned> met_;
    std::map<std::string, HttpReply> last_;
};

/// What a request is for in the words of FaultRule::operation, as far as it says so itself; otherwise empty.
std::string fault_operation(const HttpRequest& request);

/// As FaultRule::from_text takes it.
std::string to_text(const FaultRule& rule);

}  // namespace hwenroll::lab_ca
