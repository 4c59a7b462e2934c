#include "agent/config/host_facts.h"

#include <fmt/format.h>

#include "agent/config/refusal.h"

namespace hwenroll::config {
namespace {

const std::optional<std::string>* fact_named(std::string_view name, const HostFacts& facts) {
    if (name == "hostname") {
        return &facts.hostname;
    }
    if (name == "fqdn") {
        return &facts.fqdn;
    }
    if (name == "machine_id") {
        return &facts.machine_id;
    }
    return name == "serial" ? &facts.serial : nullptr;
}

/// A value cannot end its attribute or start another one (DistinguishedName::from_text).
std::string escaped(std::string_view value, ExpansionTarget target) {
    std::string out;
    for (const char c : value) {
        if (target == ExpansionTarget::distinguished_name &&
            std::string_view(",+=\\\"<>;#").find(c) != std::string_view::npos) {
            out += '\\';
        }
        out += c;
    }
    return out;
}

}  // namespace

Result<std::string> expand_variables(std::string_view text, const HostFacts& facts, ExpansionTarget target) {
    constexpr const char* advice = "use ${hostname}, ${fqdn}, ${machine_id} or ${serial}";
    std::string out;
    while (true) {
        const std::size_t start = text.find("${");
        out += text.substr(0, start);
        if (start == std::string_view::npos) {
            return out;
        }
        const std::size_t end = text.find('}', start);
        if (end == std::string_view::npos) {
            return refuse("has '${' without '}'", advice);
        }
        const std::string_view name = text.substr(start + 2, end - start - 2);
        const auto* const fact = fact_named(name, facts);
        if (fact == nullptr) {
            return refuse(fmt::format("has the unknown variable '{}'", name), advice);
        }
        if (!fact->has_value() || (*fact)->empty()) {
            return refuse(fmt::format("needs '{}', which this machine does not tell", name),
                          "write the value itself or use another variable");
        }
        out += escaped(**fact, target);
        text.remove_prefix(end + 1);
    }
}

}  // namespace hwenroll::config
