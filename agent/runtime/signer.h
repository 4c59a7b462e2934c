// A manufacturer's certificate (IDevID) and its key: they sign what an identity's own certificate cannot (SIG-4).
#pragma once

#include <memory>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/lifecycle/step.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

/// What `signer` names, checked.
struct Signer {
    lifecycle::KeyRecord key;  ///< adopted: it is the manufacturer's and never destroyed
    Bytes certificate;         ///< DER
    std::vector<Bytes> chain;  ///< DER
};

/// What it is looked for by.
struct SignerPlan {
    config::SignerSettings settings;
    TimePoint now;
    bool clock_trusted = true;       ///< otherwise nothing is refused for its time (K1)
    std::size_t max_certificates{};  ///< in each of the two files
};

/// Reads the certificate and its chain, finds the key and proves that it belongs to the certificate and can open a
/// reply (one decryption). For the token's thread. Errors: signer_certificate (a file cannot be read or holds something
/// else, another key's certificate, a key that cannot receive replies), signer_expired, token_key_missing,
/// token_ambiguous, those of the token.
Result<Signer> find_signer(const std::shared_ptr<keystore::Token>& token, const SignerPlan& plan);

}  // namespace hwenroll::runtime
