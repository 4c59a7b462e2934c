// Which algorithms a CA's requests use by its configuration, and what the history says of each message (SEC-5).
#pragma once

#include <string>

#include "agent/config/configuration.h"
#include "transport/scep/capabilities.h"
#include "transport/scep/envelope_algorithms.h"

namespace hwenroll::runtime {

/// `cipher`, `digest` and `key_transport` of a [ca.*] section.
scep::AlgorithmChoice algorithm_choice(const config::AuthoritySettings& settings);

/// `SHA-256, AES-128-CBC, RSAES-PKCS1-v1_5`, followed by the entries of `legacy` without which that would not be.
std::string request_text(const scep::Algorithms& algorithms);

/// The same of a reply that was verified, whose signature was made with `digest`. Without an envelope there is no more
/// to say.
std::string reply_text(scep::Digest digest, const std::optional<scep::EnvelopeAlgorithms>& envelope = {});

}  // namespace hwenroll::runtime
