// The CA as one machine meets it: what becomes of its requests.
#pragma once

#include <deque>
#include <optional>
#include <variant>

#include "tests/simulation/authority_timeline.h"
#include "tests/simulation/random.h"

namespace hwenroll::simulation {

struct Pending {};
struct Refusal {
    scep::FailInfo why = scep::FailInfo::bad_request;
};
using Answer = std::variant<lifecycle::IssuedRecord, Pending, Refusal>;

class IssuingAuthority {
 public:
    /// `takes_renewal_req`: otherwise every message of type 17 is refused (C22).
    IssuingAuthority(const AuthorityTimeline& timeline, Seconds lifetime, bool takes_renewal_req)
        : timeline_(timeline), lifetime_(lifetime), takes_renewal_req_(takes_renewal_req) {}

    /// Answers a request, or a poll for it. One request in fifty is decided later; one RenewalReq in three hundred is
    /// refused for no reason; of those that come again after their certificate was issued one in ten is refused (RT-3).
    Answer answer(const lifecycle::Transaction& request, bool poll, TimePoint now, Random& random);

    /// Certificates that were issued, whether or not their answers arrived.
    [[nodiscard]] std::uint64_t issued() const { return serial_; }

 private:
    struct Handled {
        scep::TransactionId id;
        std::optional<TimePoint> decided_at;  ///< PENDING until then
        std::optional<lifecycle::IssuedRecord> issued;
    };
    Handled* find(const scep::TransactionId& id);
    lifecycle::IssuedRecord issue(const Generation& by, TimePoint now);

    const AuthorityTimeline& timeline_;
    Seconds lifetime_;
    bool takes_renewal_req_;
    std::uint64_t serial_ = 0;
    std::deque<Handled> handled_;
};

}  // namespace hwenroll::simulation
