#include "agent/observe/metrics.h"

#include <algorithm>
#include <utility>

namespace hwenroll::observe {
namespace {

/// Names are an interface: none is changed, and none gets another meaning.
const std::vector<MetricFamily>& known_families() {
    static const std::vector<MetricFamily> known{
        {"hwenroll_up", "gauge", "1: hwenrolld runs and answered; 0: this is what state.db holds.", {}},
        {"hwenroll_clock_trusted", "gauge", "1: the machine's clock is believed; 0: nothing is judged by it.", {}},
        {"hwenroll_cert_not_after_seconds",
         "gauge",
         "When a certificate of the identity ends: of kind leaf (published), shadow (waits for the CA's rollover) or "
         "ca (issues now).",
         {}},
        {"hwenroll_renew_due_seconds", "gauge", "When the renewal of the published certificate begins.", {}},
        {"hwenroll_last_success_seconds", "gauge", "When the published certificate was published.", {}},
        {"hwenroll_consecutive_failures", "gauge", "Failures in a row since the last success.", {}},
        {"hwenroll_state", "gauge", "1 under the state that 'hwenroll status' shows.", {}},
        {"hwenroll_deployed_generation", "gauge", "Number of the generation that consumers see.", {}},
        {"hwenroll_delivery_failures",
         "gauge",
         "How often consumers were told in vain of what is published; 0: they were told, or are being told.",
         {}},
        {"hwenroll_confirmed_not_after_seconds",
         "gauge",
         "When the certificate ends that consumers were last told of with success; where none are to be told, the "
         "published one.",
         {}},
        {"hwenroll_token_up",
         "gauge",
         "1: the last use of the token reached it; absent: not used since the start.",
         {}},
        {"hwenroll_requests_total",
         "counter",
         "Enrollment messages and polls by what came back since the agent began: granted, pending, rejected, unusable "
         "(an answer that could not be used) or unanswered.",
         {}},
        {"hwenroll_token_operations_total", "counter", "Operations on tokens since the agent began.", {}},
    };
    return known;
}

std::int64_t seconds(TimePoint time) {
    return time.time_since_epoch().count();
}

/// Of a label's value, or of HELP, where a quote is no special character.
std::string escaped(std::string_view text, bool label) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\\' || (c == '"' && label)) {
            (out += '\\') += c;
        } else {
            out += c;
        }
    }
    return out;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
    std::string out;
    for (const auto& [name, value] : labels) {
        out += out.empty() ? "{" : ",";
        ((out += name) += "=\"") += escaped(value, true) + '"';
    }
    return out.empty() ? out : out + "}";
}

}  // namespace

Metrics::Metrics() : families_(known_families()) {}

void Metrics::add(std::string_view name, std::map<std::string, std::string> labels, std::int64_t value) {
    const auto found = std::ranges::find_if(families_, [&](const MetricFamily& family) { return family.name == name; });
    if (found != families_.end()) {
        found->samples.push_back({std::move(labels), value});
    }
}

void Metrics::add(const IdentityFacts& identity) {
    const lifecycle::IdentityState& state = *identity.state;
    const std::map<std::string, std::string> labels{{"identity", identity.name}};
    const auto ends = [&](const char* kind, TimePoint time) {
        add("hwenroll_cert_not_after_seconds", {{"identity", identity.name}, {"kind", kind}}, seconds(time));
    };
    if (state.current) {
        ends("leaf", state.current->issued.not_after);
        add("hwenroll_last_success_seconds", labels, seconds(state.current->published_at));
        add("hwenroll_deployed_generation", labels, static_cast<std::int64_t>(state.current->generation));
    }
    if (state.shadow) {
        ends("shadow", state.shadow->credential.issued.not_after);
    }
    if (identity.authority_end) {
        ends("ca", *identity.authority_end);
    }
    if (identity.renew_at) {
        add("hwenroll_renew_due_seconds", labels, seconds(*identity.renew_at));
    }
    add("hwenroll_consecutive_failures", labels, state.counters.failures);
    add("hwenroll_delivery_failures", labels, lifecycle::delivery_failures(state));
    if (const auto confirmed = lifecycle::confirmed_end(state)) {
        add("hwenroll_confirmed_not_after_seconds", labels, seconds(*confirmed));
    }
    add("hwenroll_state", {{"identity", identity.name}, {"state", identity.word.substr(0, identity.word.find('('))}},
        1);
}

void Metrics::add(const std::vector<MetricFamily>& families) {
    for (const MetricFamily& family : families) {
        const auto found =
            std::ranges::find_if(families_, [&](const MetricFamily& one) { return one.name == family.name; });
        if (found == families_.end()) {
            families_.push_back(family);
        } else {
            found->samples.insert(found->samples.end(), family.samples.begin(), family.samples.end());
        }
    }
}

std::string prometheus_text(const std::vector<MetricFamily>& families) {
    std::string out;
    for (const MetricFamily& family : families) {
        if (family.samples.empty()) {
            continue;
        }
        out += "# HELP " + family.name + ' ' + escaped(family.help, false) + '\n';
        out += "# TYPE " + family.name + ' ' + family.kind + '\n';
        for (const MetricSample& sample : family.samples) {
            out += family.name + labels_text(sample.labels) + ' ' + std::to_string(sample.value) + '\n';
        }
    }
    return out;
}

}  // namespace hwenroll::observe
