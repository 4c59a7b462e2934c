// The recorded exchanges and CA sets as fuzz targets need them: each with what its intact body says.
#pragma once

#include <string>
#include <vector>

#include "tests/scep/reply/captured_exchange.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::fuzz {

/// A recorded reply and its reading.
struct CapturedReply {
    test::CapturedExchange exchange;
    scep::CertRep intact;
    Bytes content;  ///< of the envelope; empty where there is none or it is of a kind that is refused
};

/// All of them; read once.
const std::vector<CapturedReply>& captured_replies();

/// The reply whose transaction `body` names, else the first: so that every input has its context in itself.
const CapturedReply& reply_for(ByteView body);

/// Names of the recorded GetCACert bodies.
std::vector<std::string> captured_ca_sets();

/// What the recorded CA sets hold.
const std::vector<Certificate>& captured_authorities();

}  // namespace hwenroll::fuzz
