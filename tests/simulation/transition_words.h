// One line for a trace.
#pragma once

#include <string>
#include <vector>

#include "agent/lifecycle/step.h"

namespace hwenroll::simulation {

std::string words_of(const lifecycle::Event& event, const lifecycle::IdentityState& after,
                     const std::vector<lifecycle::Effect>& effects, const std::string& note);

}  // namespace hwenroll::simulation
