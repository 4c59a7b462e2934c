#include "agent/runtime/authority_rules.h"

namespace hwenroll::runtime {

scep::ParseLimits parse_limits(const config::LimitSettings& limits, bool clock_trusted) {
    scep::ParseLimits out;
    out.max_message = limits.max_reply_bytes;
    out.max_depth = limits.max_asn1_depth;
    out.max_certificates = limits.max_certificates;
    out.max_rsa_bits = limits.max_rsa_bits;
    out.max_exponent_bits = limits.max_exponent_bits;
    out.max_path = limits.max_path;
    out.max_pbkdf2 = limits.max_pbkdf2;
    out.min_lifetime = limits.min_lifetime;
    out.clock_skew = limits.clock_skew;
    out.judges_time = clock_trusted;
    return out;
}

scep::RaRule ra_rule(const config::AuthoritySettings& settings) {
    switch (settings.ra) {
        case config::RaRule::pinned:
            return {scep::RaRule::Kind::pinned, settings.ra_fingerprints};
        case config::RaRule::issued_by_ca:
            return {scep::RaRule::Kind::issued_by_ca, {}};
        case config::RaRule::eku:
            break;
    }
    return {};
}

lifecycle::SwitchRule switch_rule(config::SwitchAt rule) {
    switch (rule) {
        case config::SwitchAt::not_before:
            return lifecycle::SwitchRule::not_before;
        case config::SwitchAt::now:
            return lifecycle::SwitchRule::now;
        case config::SwitchAt::ca_expiry:
            break;
    }
    return lifecycle::SwitchRule::authority_end;
}

scep::LegacyPermissions permissions_of(const config::LegacySettings& legacy, TimePoint now, bool clock_trusted) {
    if (!legacy.until || (clock_trusted && now >= *legacy.until)) {
        return {};
    }
    return {legacy.des_cbc_reply, legacy.des3, legacy.sha1_reply, legacy.sha1_request};
}

http::Limits http_limits(const config::LimitSettings& limits, std::size_t max_body) {
    http::Limits out;
    out.connect_timeout = limits.connect_timeout;
    out.exchange_timeout = limits.exchange_timeout;
    out.max_body = max_body;
    out.max_redirects = limits.max_redirects;
    out.max_get_url = limits.max_get_url;
    out.retry_after_min = limits.retry_after_min;
    out.retry_after_max = limits.retry_after_max;
    return out;
}

}  // namespace hwenroll::runtime
