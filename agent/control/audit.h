// What is written down of every change that somebody asked the agent for.
#pragma once

#include <string>

#include "agent/control/message.h"
#include "agent/control/methods.h"
#include "agent/control/peer.h"
#include "agent/observe/log.h"

namespace hwenroll::control {

/// Who asked for what, kept from the call until its outcome is known.
struct ChangeAsked {
    Peer peer;
    std::string program = {};  ///< PeerSource::program()
    const Method* method = nullptr;
    Arguments arguments = {};
};

/// What came of it.
enum class ChangeOutcome : std::uint8_t {
    done,
    nothing_to_do,
    failed,      ///< the agent could not; the reply is an error of the agent's
    malformed,   ///< a parameter is unknown, missing or wrong
    denied,      ///< the caller may not change anything
    unanswered,  ///< the agent ended before it was known
};

/// The outcome that an answer to a permitted and well-formed call tells of.
ChangeOutcome outcome_of(const Reply& reply);

/// The record. `reply` is what the caller was or would have been told; empty for `unanswered`.
observe::LogRecord audit_record(const ChangeAsked& asked, ChangeOutcome outcome, const Reply& reply);

}  // namespace hwenroll::control
