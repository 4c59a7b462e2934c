// What an operator reads about a request that the CA refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::runtime {

/// What a CertRep of status FAILURE says about its reason.
struct Refusal {
    std::optional<scep::FailInfo> fail_info;
    std::string_view text;                ///< failInfoText, may be empty
    std::optional<std::int32_t> hresult;  ///< Microsoft's error attribute (MSG-15)
    std::optional<TimePoint> date = {};   ///< the answer's Date header: the clock of the CA's web server, for badTime
};

/// The ca_rejected error for it, with advice. SCEP has five failInfo values and one of them, badRequest, stands for
/// most reasons (FI-2), so where the text mentions one of the usual reasons the advice is about that one. The text of a
/// real server is free and may be anything: it chooses the advice and decides nothing (MSG-14). `now`: this machine's
/// time, for badTime.
Error rejection(const Refusal& refusal, TimePoint now);

}  // namespace hwenroll::runtime
