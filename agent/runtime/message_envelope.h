// The inner layer of messages on a token's thread: sealed for a CA, and opened by the key of the certificate that
// signed the request.
#pragma once

#include <optional>

#include "agent/runtime/request_jobs.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::runtime {

/// Where the CA has no RSA key, what is sent to it is encrypted under the challenge (ENV-5).
bool is_sealed_by_password(const Authority& authority);

/// Encrypts messageData for the CA's key, or under `password` where it has none that could. Errors: those of
/// scep::seal() and scep::seal_by_password().
Result<Bytes> seal(ByteView data, const Authority& authority, const Secret& password, const scep::Algorithms& how);

/// What opens a reply.
struct ReplyOpener {
    keystore::KeyReference key;  ///< of `signer`
    Certificate signer;
    std::optional<config::SecretSource>
        challenge;  ///< opens what is encrypted under it (`password`); read then (ENV-13)
    scep::LegacyPermissions legacy;
    scep::ParseLimits limits;
};

/// A reply's content, or why there is none.
struct Opened {
    Result<scep::OpenedEnvelope> envelope;
    std::optional<Error> device;  ///< a token in trouble, which is no fault of the reply's
};

/// One decryption or agreement, or the challenge read (ENV-12). Error codes: those of keystore::to_evp_pkey().
Result<Opened> open_reply(const SharedToken& token, ByteView envelope, const ReplyOpener& opener);

/// Why `opened` has no content: the token's trouble where it has one, and where only it says more than the envelope
/// does.
const Error& reason_of(const Opened& opened);

}  // namespace hwenroll::runtime
