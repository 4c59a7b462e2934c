// What the agent would do next for an identity, worked out by the machine and the rules that it works by, from the
// configuration and state.db. Nothing is sent, used or written.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/runtime/request_jobs.h"
#include "agent/store/store.h"

namespace hwenroll::runtime {

/// An identity as the agent that begins now would see it.
struct StoredIdentity {
    lifecycle::IdentityState state;
    lifecycle::AuthorityState authority;
    lifecycle::Policy policy;  ///< for a clock that is trusted
};

/// Reads it. `store` is null where no agent has ever run. The identity is one of `configuration`, without a fault.
/// Errors: those of the store.
Result<StoredIdentity> read_stored(const config::Configuration& configuration, const config::IdentitySettings& identity,
                                   store::Store* store, TimePoint now);

/// The enrollment message that is made next.
struct RequestForecast {
    /// Whose key signs it.
    enum class Signer : std::uint8_t { new_key, current, manufacturer, envelope_key };
    Signer signer = Signer::new_key;
    std::optional<scep::MessageType> type;       ///< nothing: what the CA announces decides, and it was not asked yet
    std::optional<scep::Algorithms> algorithms;  ///< likewise
    std::optional<bool> post;                    ///< likewise; false: GET
    std::string recipient;                       ///< subject of the CA's encryption certificate; empty: not known yet
    std::optional<bool> sealed_by_password;      ///< encrypted under the challenge; nothing: not known yet
    bool states_challenge = false;               ///< the CSR holds the challenge
    config::EnvelopeMode reply = config::EnvelopeMode::automatic;  ///< how the reply is encrypted
    std::optional<Error> obstacle;                                 ///< it could not be made as things stand
};

/// Something that the agent does, and when.
struct ForecastStep {
    enum class Kind : std::uint8_t {
        make_key,
        make_envelope_key,
        request,     ///< a new one
        send_again,  ///< one that is prepared and was not answered
        poll,
        ask_ca_again,
        seek_successor,
        publish,
        deliver,
        destroy_key,
    };
    Kind kind = Kind::request;
    TimePoint at;  ///< not in the past
    friend bool operator==(const ForecastStep&, const ForecastStep&) = default;
};

struct Forecast {
    std::vector<ForecastStep> steps;            ///< up to the next message to the CA, or as far as time alone leads
    std::optional<lifecycle::Purpose> purpose;  ///< of the message that the last step sends
    std::optional<lifecycle::Transaction> transaction;  ///< that is sent again or polled for
    std::optional<RequestForecast> request;             ///< of the last step, if it makes one
};

/// Follows the machine as if each step went well.
Forecast forecast(const config::Configuration& configuration, const config::IdentitySettings& identity,
                  const StoredIdentity& stored, TimePoint now);

}  // namespace hwenroll::runtime
