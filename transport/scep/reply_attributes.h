// The signed attributes of a CertRep (RFC 8894 §3.2.1), read after the signature is good.
#pragma once

#include <string>
#include <vector>

#include "transport/scep/cert_rep.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// Refuses an attribute type that occurs twice (MSG-2). Error code: scep_attribute.
Status check_unique(const std::vector<Attribute>& attributes);

/// The attribute's one value; null when there is no such attribute. Error code: scep_attribute for none or two values.
Result<const BerValue*> single_value(const std::vector<Attribute>& attributes, std::string_view oid,
                                     std::string_view name);

/// Checks messageType, transactionID and the nonces against what was sent and reads the status into `reply` (MSG-8 …
/// MSG-17). Errors: scep_attribute, scep_message_type, scep_transaction, scep_nonce, scep_status.
Status read_reply_attributes(const std::vector<Attribute>& attributes, const ReplyExpectation& expected,
                             CertRep& reply);

}  // namespace hwenroll::scep
