// The values of the control interface as JSON and back: the types of io.hwenroll.Agent.varlink.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/control/service.h"

namespace hwenroll::control {

nlohmann::json to_json(const IdentityView& view);
nlohmann::json to_json(const Overview& overview);
nlohmann::json to_json(const AuthorityView& view);
nlohmann::json to_json(const TokenView& view);
nlohmann::json to_json(const Health& health);
nlohmann::json to_json(const IdentityEvent& event);
nlohmann::json to_json(const Acceptance& acceptance);
nlohmann::json to_json(const ResumptionView& resumption);
nlohmann::json to_json(const HistoryEvent& event);
nlohmann::json to_json(const observe::MetricFamily& family);

/// `2026-11-23T18:09:53Z` and nothing else.
std::optional<TimePoint> time_of(std::string_view text);

/// Each reads back what to_json() made; members that it does not know are ignored. Error code: control_protocol
/// (members missing, of another type, or an error code that this program does not know).
Result<IdentityView> identity_view_of(const nlohmann::json& value);
Result<Overview> overview_of(const nlohmann::json& value);
Result<Health> health_of(const nlohmann::json& value);
Result<IdentityEvent> identity_event_of(const nlohmann::json& value);
Result<Acceptance> acceptance_of(const nlohmann::json& value);
Result<ResumptionView> resumption_of(const nlohmann::json& value);
Result<HistoryEvent> history_event_of(const nlohmann::json& value);
Result<observe::MetricFamily> metric_family_of(const nlohmann::json& value);

}  // namespace hwenroll::control
