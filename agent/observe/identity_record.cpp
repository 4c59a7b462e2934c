#include "agent/observe/identity_record.h"

#include <utility>

#include "agent/observe/log_ids.h"
#include "agent/observe/status_words.h"
#include "base/certificate.h"

namespace hwenroll::observe {
namespace {

using lifecycle::IdentityState;
using lifecycle::RaiseAlert;

/// What somebody who reads of an enrollment or a publication means by "the certificate".
const lifecycle::IssuedRecord* certificate_of(const IdentityState& state) {
    return state.next ? &state.next->issued : state.current ? &state.current->issued : nullptr;
}

const Bytes* leaf_of(const std::optional<lifecycle::Credential>& credential) {
    return credential ? &credential->issued.leaf : nullptr;
}

}  // namespace

LogRecord record_about(const IdentityContext& context, Level level, std::string text) {
    const IdentityState& state = context.state;
    LogRecord record{level, std::move(text), context.name, status_word(state, context.now)};
    record.authority = context.authority;
    if (state.enrollment && state.enrollment->transaction) {
        record.transaction = state.enrollment->transaction->id.value;
    } else if (context.ended) {
        record.transaction = context.ended->value;
    }
    if (const auto* const issued = certificate_of(state)) {
        const auto certificate = Certificate::from_der(issued->leaf);
        record.serial = certificate ? to_hex(certificate->serial()) : std::string();
        record.not_after = to_iso8601(issued->not_after);
    }
    if (context.next && *context.next > context.now) {
        record.next = to_iso8601(*context.next);
    }
    return record;
}

std::string_view message_id_of(const lifecycle::Event& event, const IdentityState& before, const IdentityState& after) {
    if (std::holds_alternative<lifecycle::GenerationPublished>(event)) {
        const Bytes* const leaf = leaf_of(after.current);
        const Bytes* const old = leaf_of(before.current);
        const bool another = leaf != nullptr && (old == nullptr || *leaf != *old);
        return another ? renewed_message_id : std::string_view();
    }
    const auto* const delivered = std::get_if<lifecycle::Delivered>(&event);
    if (delivered == nullptr || !before.delivery || delivered->generation != before.delivery->generation) {
        return {};
    }
    return delivered->error ? deployment_failed_message_id : deployed_message_id;
}

std::string_view message_id_of(ErrorCode failure) {
    return error_info(failure).remedy == Remedy::change_pin ? pin_message_id : failed_message_id;
}

std::string_view message_id_of(RaiseAlert::Kind kind) {
    switch (kind) {
        case RaiseAlert::Kind::overdue:
        case RaiseAlert::Kind::expired:
            return overdue_message_id;
        case RaiseAlert::Kind::held:
            return held_message_id;
        case RaiseAlert::Kind::delivery:
            return deployment_failed_message_id;
        case RaiseAlert::Kind::revoked:
            break;
    }
    return alert_message_id;
}

}  // namespace hwenroll::observe
