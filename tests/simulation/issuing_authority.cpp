#include "tests/simulation/issuing_authority.h"

#include <algorithm>

namespace hwenroll::simulation {
namespace {

constexpr std::size_t remembered = 4;

}  // namespace

IssuingAuthority::Handled* IssuingAuthority::find(const scep::TransactionId& id) {
    const auto found = std::ranges::find(handled_, id, &Handled::id);
    return found == handled_.end() ? nullptr : &*found;
}

lifecycle::IssuedRecord IssuingAuthority::issue(const Generation& by, TimePoint now) {
    lifecycle::IssuedRecord issued;
    ++serial_;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        issued.leaf.push_back(static_cast<std::uint8_t>(serial_ >> shift));
    }
    issued.anchors = {by.record.anchor};
    issued.not_before = std::max(now, by.validity.begin);
    issued.not_after = std::min(issued.not_before + lifetime_, by.validity.end);
    return issued;
}

Answer IssuingAuthority::answer(const lifecycle::Transaction& request, bool poll, TimePoint now, Random& random) {
    Handled* known = find(request.id);
    if (known != nullptr && known->issued) {
        return poll || !random.one_in(10) ? Answer(*known->issued) : Answer(Refusal{});
    }
    if (poll && known == nullptr) {
        return Refusal{scep::FailInfo::bad_cert_id};
    }
    const std::size_t office = timeline_.in_office(now);
    const Generation* recipient = timeline_.find(request.recipient);
    const bool to_next = timeline_.offers_next(now) && recipient == &timeline_.generation(office + 1);
    if (!to_next && recipient != &timeline_.generation(office)) {
        return Refusal{scep::FailInfo::bad_message_check};
    }
    const bool renewal_req = request.type == scep::MessageType::renewal_req;
    if (renewal_req && (!takes_renewal_req_ || random.one_in(300))) {
        return Refusal{};
    }
    if (known == nullptr) {
        handled_.push_front({request.id, std::nullopt, std::nullopt});
        handled_.resize(std::min(handled_.size(), remembered));
        known = &handled_.front();
        if (random.one_in(50)) {
            known->decided_at = now + random.between(10 * minute, 12 * hour);
        }
    }
    if (known->decided_at && now < *known->decided_at) {
        return Pending{};
    }
    known->issued = issue(*recipient, now);
    return *known->issued;
}

}  // namespace hwenroll::simulation
