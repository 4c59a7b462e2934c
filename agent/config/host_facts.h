// What this machine is, for the variables in names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hwenroll::config {

/// The values of `${hostname} ${fqdn} ${machine_id} ${serial}`; nothing where this machine has none.
struct HostFacts {
    std::optional<std::string> hostname;    ///< first label, lower case
    std::optional<std::string> fqdn;        ///< lower case
    std::optional<std::string> machine_id;  ///< machine-id(5): 32 hexadecimal digits
    std::optional<std::string> serial;      ///< DMI or device tree
    friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

/// Where a value is put, and so what has to be escaped in it.
enum class ExpansionTarget : std::uint8_t { plain, distinguished_name };

/// `text` with its variables replaced. A `$` that is not followed by `{` stands for itself. Error code: config_value
/// (unknown or unknowable variable, missing brace), with a text that continues "'key' ".
Result<std::string> expand_variables(std::string_view text, const HostFacts& facts, ExpansionTarget target);

}  // namespace hwenroll::config
