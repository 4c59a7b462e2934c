#include "agent/runtime/request_rules.h"

#include "agent/runtime/message_envelope.h"

namespace hwenroll::runtime {

std::optional<lifecycle::Credential> current_that_receives(const config::IdentitySettings& identity,
                                                           const config::AuthoritySettings& authority,
                                                           const std::optional<lifecycle::Credential>& current) {
    const auto key =
        current ? PublicKey::from_spki(current->key.spki) : fail(ErrorCode::internal, "there is no current key");
    const bool receives =
        key && (key->is_rsa() || config::is_ec(identity.key) || authority.envelope == config::EnvelopeMode::agree);
    return receives ? current : std::nullopt;
}

bool is_signed_by_current(const RequestPlan& plan) {
    return plan.current && !plan.envelope_key &&
           (plan.purpose == lifecycle::Purpose::renewal || plan.purpose == lifecycle::Purpose::shadow);
}

bool is_vouched_for(const RequestPlan& plan) {
    return is_signed_by_current(plan) || plan.signer;
}

bool is_answered_by_password(const RequestPlan& plan) {
    return plan.envelope == config::EnvelopeMode::password;
}

bool needs_challenge(const RequestPlan& plan) {
    return is_sealed_by_password(*plan.authority) || is_answered_by_password(plan) || plan.envelope_key;
}

bool states_challenge(const RequestPlan& plan) {
    return !is_vouched_for(plan) || plan.renewal_sends_challenge || is_answered_by_password(plan);
}

Result<scep::MessageType> type_of(const RequestPlan& plan, scep::Digest digest) {
    if (!is_signed_by_current(plan) && plan.signer) {
        const auto certificate = Certificate::from_der(plan.signer->certificate);
        if (!certificate || certificate->is_self_issued()) {
            return scep::MessageType::pkcs_req;
        }
    }
    if (digest == scep::Digest::sha1 && is_vouched_for(plan) && plan.renewal_type == config::RenewalType::renewal_req) {
        return fail(ErrorCode::ca_algorithm,
                    "a RenewalReq is never signed with SHA-1, and the CA offers nothing better", {},
                    "enable SHA-256 on the CA, or set renewal_type = \"auto\"");
    }
    const bool announced = plan.renewal_type == config::RenewalType::automatic && plan.by_renewal_req &&
                           plan.authority->capabilities.allows_renewal() && digest != scep::Digest::sha1;
    const bool renewal_req = plan.renewal_type == config::RenewalType::renewal_req || announced;
    return is_vouched_for(plan) && renewal_req ? scep::MessageType::renewal_req : scep::MessageType::pkcs_req;
}

}  // namespace hwenroll::runtime
