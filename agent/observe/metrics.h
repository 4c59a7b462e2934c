// What monitoring systems are told: values, and the text form of Prometheus (version 0.0.4 of its exposition format).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lifecycle/identity_state.h"

namespace hwenroll::observe {

/// One value. Times are seconds since the epoch, so that what computes with them does not depend on when it was asked.
struct MetricSample {
    std::map<std::string, std::string> labels;
    std::int64_t value = 0;
    friend bool operator==(const MetricSample&, const MetricSample&) = default;
};

/// All values of one name.
struct MetricFamily {
    std::string name;
    std::string kind;  ///< `gauge` or `counter`
    std::string help;  ///< one sentence
    std::vector<MetricSample> samples;
    friend bool operator==(const MetricFamily&, const MetricFamily&) = default;
};

/// What is told of one identity.
struct IdentityFacts {
    std::string name;
    std::string word;  ///< status_word(), or DISABLED; what is in parentheses is left out
    const lifecycle::IdentityState* state = nullptr;  ///< never null
    std::optional<TimePoint> renew_at = {};
    std::optional<TimePoint> authority_end = {};  ///< notAfter of the CA that issues; nothing: it is not known
};

/// Every family of the interface (design §6), in a fixed order. A family without a sample is left out of the text: what
/// is not known is absent, not zero.
class Metrics {
 public:
    Metrics();

    /// `name` is one of the interface's; anything else is ignored.
    void add(std::string_view name, std::map<std::string, std::string> labels, std::int64_t value);
    void add(const IdentityFacts& identity);

    /// Adds the samples of another part, from this version of the program or another: families that are unknown here
    /// are taken over.
    void add(const std::vector<MetricFamily>& families);

    [[nodiscard]] const std::vector<MetricFamily>& families() const { return families_; }

 private:
    std::vector<MetricFamily> families_;
};

/// With HELP and TYPE, label values escaped. Ends with a newline.
std::string prometheus_text(const std::vector<MetricFamily>& families);

}  // namespace hwenroll::observe
