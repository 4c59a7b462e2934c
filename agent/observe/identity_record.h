// What a journal record about an identity carries besides its text.
#pragma once

#include <optional>
#include <string>

#include "agent/lifecycle/step.h"
#include "agent/observe/log.h"

namespace hwenroll::observe {

/// Where an identity stands, as far as it is known.
struct IdentityContext {
    const std::string& name;
    const std::string& authority;              ///< name of the [ca.*] section
    const lifecycle::IdentityState& state;     ///< after what the record tells of
    std::optional<scep::TransactionId> ended;  ///< the transaction that it has ended, which `state` knows no more
    std::optional<TimePoint> next;             ///< lifecycle::next_due(); nothing: waits for an event
    TimePoint now;
};

/// A record of `text` with every field that is known: state, transaction, CA, the certificate that is on its way to
/// consumers, else the one that they see, and when something is due again, which is left out when that is now.
LogRecord record_about(const IdentityContext& context, Level level, std::string text);

/// The MESSAGE_ID of what `event` has led to; empty: none of its own. `before` is the state that it met.
std::string_view message_id_of(const lifecycle::Event& event, const lifecycle::IdentityState& before,
                               const lifecycle::IdentityState& after);

/// Of a step that failed.
std::string_view message_id_of(ErrorCode failure);

/// Of an alert.
std::string_view message_id_of(lifecycle::RaiseAlert::Kind kind);

}  // namespace hwenroll::observe
