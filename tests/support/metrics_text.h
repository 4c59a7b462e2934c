// A strict reader of Prometheus' text format, written apart from what is read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::test {

/// The samples of a text by `name{label="value",…}`, labels in the order in which they stand, unescaped in the key.
struct MetricsText {
    std::map<std::string, double> values;
    std::map<std::string, std::string> types;  ///< by the name
    std::vector<std::string> faults;           ///< what is against the format; empty: nothing

    /// The value of a sample; nothing if there is none.
    [[nodiscard]] std::optional<double> value(const std::string& sample) const;
};

/// Every line has to be HELP, TYPE or a sample, in this order for each name, each name in one block, no sample twice,
/// and the text ends with a newline.
MetricsText read_metrics(std::string_view text);

}  // namespace hwenroll::test
