// A plan in words. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/runtime/forecast.h"

namespace hwenroll::cli {

/// A line of the plan for people, a member for scripts.
struct PlanField {
    std::string key;                  ///< of JSON
    std::string label;                ///< for people
    std::vector<std::string> values;  ///< of a list, or one
    bool list = false;                ///< JSON has a list, however many there are
};

/// What is next for one identity.
struct PlanText {
    std::string identity;
    std::string summary;          ///< one sentence without the name
    bool sends = false;           ///< a message to the CA follows from time alone
    std::optional<TimePoint> at;  ///< of that message
    std::vector<PlanField> fields;
};

/// What surrounds the identity.
struct PlanSurroundings {
    const config::Configuration& configuration;
    TimePoint now;
    bool agent_runs = false;
};

PlanText plan_text(const PlanSurroundings& around, const config::IdentitySettings& identity,
                   const runtime::StoredIdentity& stored, const runtime::Forecast& forecast);

/// Of an identity that its configuration disables.
PlanText disabled_plan(const std::string& identity, const Error& fault);

/// For a terminal of 80 columns. Ends with a newline.
std::string to_text(const PlanText& plan);

}  // namespace hwenroll::cli
