#include "agent/config/finding.h"

#include <utility>

#include <fmt/format.h>

namespace hwenroll::config {

std::string_view to_text(Part part) {
    switch (part) {
        case Part::agent:
            return "agent";
        case Part::limits:
            return "limits";
        case Part::token:
            return "token";
        case Part::authority:
            return "ca";
        case Part::identity:
            return "identity";
        case Part::file:
            return "file";
    }
    return "file";
}

std::string Location::text() const {
    return line == 0 ? file : fmt::format("{}:{}:{}", file, line, column);
}

Finding make_finding(Part part, std::string name, const Location& at, ErrorCode code, const std::string& what,
                     std::string why, std::string next) {
    std::string subject(part == Part::file ? std::string_view("configuration") : to_text(part));
    if (!name.empty()) {
        subject += '.' + name;
    }
    Error error(code, fmt::format("{}: {}", at.text(), what), std::move(why), std::move(next));
    return Finding{part, std::move(name), at, std::move(error).about(std::move(subject))};
}

}  // namespace hwenroll::config
