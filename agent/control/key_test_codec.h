// What came of a key's test in JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/control/service.h"

namespace hwenroll::control {

nlohmann::json to_json(const KeyTestView& test);

/// Reads back what to_json() made; members that it does not know are ignored. Error code: control_protocol.
Result<KeyTestView> key_test_of(const nlohmann::json& value);

}  // namespace hwenroll::control
