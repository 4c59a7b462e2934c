// [agent] and [limits].
#include <chrono>
#include <utility>

#include "agent/config/sections.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

std::optional<AgentSettings> read_agent(SectionReader& reader) {
    AgentSettings agent;
    reader.read("state_dir", agent.state_dir, parse_path);
    agent.publish_dir = agent.state_dir / "live";
    reader.read("runtime_dir", agent.runtime_dir, parse_path);
    reader.read("publish_dir", agent.publish_dir, parse_path);
    reader.read_command("on_alert", agent.on_alert);
    reader.read("admin_group", agent.admin_group, parse_group);
    reader.read_duration<Seconds>("history_keep", agent.history_keep, parse_seconds, hours(24), hours(3650 * 24));
    return reader.finish() ? std::optional(agent) : std::nullopt;
}

LimitSettings read_limits(SectionReader& reader) {
    constexpr std::int64_t kib = 1024;
    constexpr std::int64_t mib = 1024 * kib;
    LimitSettings limits;
    reader.read_duration<milliseconds>("connect_timeout", limits.connect_timeout, parse_duration, milliseconds(100),
                                       minutes(10));
    reader.read_duration<milliseconds>("exchange_timeout", limits.exchange_timeout, parse_duration, milliseconds(500),
                                       hours(1));
    reader.read_integer("max_caps_bytes", limits.max_caps_bytes, kib, mib);
    reader.read_integer("max_reply_bytes", limits.max_reply_bytes, 16 * kib, 16 * mib);
    reader.read_integer("max_crl_bytes", limits.max_crl_bytes, kib, 32 * mib);
    reader.read_integer("max_certificates", limits.max_certificates, 1, 1024);
    reader.read_integer("max_rsa_bits", limits.max_rsa_bits, 2048, 16'384);
    reader.read_integer("max_exponent_bits", limits.max_exponent_bits, 17, 65);
    reader.read_integer("max_asn1_depth", limits.max_asn1_depth, 16, 128);
    reader.read_integer("max_path", limits.max_path, 1, 32);
    reader.read_integer("max_redirects", limits.max_redirects, 0, 10);
    reader.read_duration<Seconds>("retry_after_min", limits.retry_after_min, parse_seconds, Seconds(1), hours(1));
    reader.read_duration<Seconds>("retry_after_max", limits.retry_after_max, parse_seconds, Seconds(1), hours(7 * 24));
    reader.read_integer("max_pbkdf2", limits.max_pbkdf2, 1000, 100'000'000);
    reader.read_integer("max_get_url", limits.max_get_url, 256, 64 * kib);
    reader.read_duration<Seconds>("min_lifetime", limits.min_lifetime, parse_seconds, Seconds(1), hours(366 * 24));
    reader.read_duration<Seconds>("rollover_tolerance", limits.rollover_tolerance, parse_seconds, Seconds(0),
                                  hours(30 * 24));
    reader.read_duration<Seconds>("clock_skew", limits.clock_skew, parse_seconds, Seconds(0), hours(24));
    if (limits.retry_after_min > limits.retry_after_max) {
        for (const auto& [key, what] : {std::pair("retry_after_min", "is more than 'retry_after_max'"),
                                        std::pair("retry_after_max", "is less than 'retry_after_min'")}) {
            if (reader.find(key) != nullptr) {
                reader.report(key, ErrorCode::config_value, what);
            }
        }
        limits.retry_after_min = LimitSettings().retry_after_min;
        limits.retry_after_max = LimitSettings().retry_after_max;
    }
    reader.finish();
    return limits;
}

}  // namespace hwenroll::config
