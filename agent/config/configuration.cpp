#include "agent/config/configuration.h"

#include <algorithm>

namespace hwenroll::config {

std::string SecretSource::text() const {
    switch (kind) {
        case Kind::file:
            return "file:" + location;
        case Kind::credential:
            return "credential:" + location;
        case Kind::command:
            return "exec:" + location;
    }
    return {};
}

bool Configuration::is_disabled(Part part, std::string_view name) const {
    return std::ranges::any_of(findings,
                               [&](const Finding& finding) { return finding.part == part && finding.name == name; });
}

}  // namespace hwenroll::config
