#include "agent/runtime/policy.h"

#include "agent/runtime/activation.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/configuration_mark.h"

namespace hwenroll::runtime {
namespace {

lifecycle::LifetimeMark mark_of(const config::LifetimePoint& point) {
    if (const auto* const percent = std::get_if<config::Percent>(&point)) {
        return {percent->value, {}};
    }
    return {0, std::get<Seconds>(point)};
}

/// `activate_by` is a span before the end.
lifecycle::LifetimeMark latest_of(const config::LifetimeSpan& before_end) {
    if (const auto* const percent = std::get_if<config::Percent>(&before_end)) {
        return {100 - percent->value, {}};
    }
    return {0, std::get<Seconds>(before_end)};
}

lifecycle::KeyRule key_rule(config::NewKey rule) {
    switch (rule) {
        case config::NewKey::prefer:
            return lifecycle::KeyRule::prefer;
        case config::NewKey::reuse:
            return lifecycle::KeyRule::reuse;
        case config::NewKey::require:
            break;
    }
    return lifecycle::KeyRule::require;
}

std::vector<lifecycle::Resync> resync_order(const std::vector<config::Resync>& steps) {
    std::vector<lifecycle::Resync> order;
    for (const config::Resync step : steps) {
        order.push_back(step == config::Resync::same   ? lifecycle::Resync::same
                        : step == config::Resync::poll ? lifecycle::Resync::poll
                                                       : lifecycle::Resync::fresh);
    }
    return order;
}

}  // namespace

PolicyMarks marks_of(const IdentitySections& sections) {
    const config::IdentitySettings& identity = sections.identity;
    PolicyMarks marks;
    marks.configuration = configuration_mark(identity, sections.authority, sections.token, sections.limits);
    marks.request = request_mark(identity, sections.authority, sections.token);
    marks.name = name_mark(identity, sections.token);
    marks.content = content_mark(identity);
    if (sections.signer_token != nullptr) {
        marks.signer = signer_mark(*identity.signer, *sections.signer_token);
        marks.configuration = with_signer(marks.configuration, *identity.signer, *sections.signer_token);
    }
    return marks;
}

lifecycle::Policy policy_of(const IdentitySections& sections, PolicyMarks marks, TimePoint now) {
    const config::IdentitySettings& identity = sections.identity;
    lifecycle::Policy policy;
    policy.poll = {identity.poll.start, identity.poll.factor, identity.poll.max, identity.poll.give_up};
    policy.token = identity.token;
    policy.configuration_mark = std::move(marks.configuration);
    policy.request_mark = std::move(marks.request);
    policy.name_mark = std::move(marks.name);
    policy.content_mark = std::move(marks.content);
    policy.signer_mark = std::move(marks.signer);
    policy.resync = resync_order(sections.authority.resync);
    policy.renew_at = mark_of(identity.renew_at);
    policy.jitter_percent = identity.renew_jitter_percent;
    policy.new_key = key_rule(identity.new_key);
    policy.envelope_key =
        config::envelope_for(identity.key, sections.authority.envelope) == config::EnvelopeMode::token_rsa;
    policy.switch_at = switch_rule(sections.authority.switch_at);
    policy.rollover_tolerance = sections.limits.rollover_tolerance;
    policy.retire_after = identity.retire_after;
    policy.delivers = !identity.on_change.empty() || !identity.verify_tls.empty() || !identity.verify_command.empty();
    if (identity.activate_window) {
        policy.activation.opens = next_opening(*identity.activate_window, now);
    }
    policy.activation.latest = latest_of(identity.activate_by);
    return policy;
}

lifecycle::Policy renewal_policy_of(const config::IdentitySettings& identity) {
    lifecycle::Policy policy;
    policy.renew_at = mark_of(identity.renew_at);
    policy.jitter_percent = identity.renew_jitter_percent;
    return policy;
}

}  // namespace hwenroll::runtime
