// Replies: verified before anything in them is believed (MSG-20).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "base/secret.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// What a reply must match.
struct ReplyExpectation {
    TransactionId transaction_id;
    Nonce sender_nonce;                ///< of the request just sent; must come back as recipientNonce (MSG-8)
    std::vector<Certificate> signers;  ///< certificates that may sign (SIG-12), from CaSet::signers
    TimePoint now;
    LegacyPermissions legacy;
    ParseLimits limits;
    /// CaSet::signers of the next CA, while a shadow certificate is asked for: these may sign before they are valid
    /// (ROLL-12).
    std::vector<Certificate> next_signers{};
    std::vector<UnusedCertificate> unused{};  ///< CaSet::unused: none may sign; an error says who tried (SIG-13, C15)
};

/// A CertRep whose signature and attributes are good.
struct CertRep {
    PkiStatus status = PkiStatus::failure;
    std::optional<FailInfo> fail_info;    ///< FAILURE only; absent when the server left it out (MSG-13)
    std::string fail_info_text;           ///< printable, may be empty (MSG-14)
    std::optional<std::int32_t> hresult;  ///< Microsoft's error attribute (MSG-15)
    Bytes envelope;                       ///< ContentInfo(EnvelopedData); SUCCESS only
    Digest digest = Digest::sha256;       ///< of the reply's signature
    Certificate signer;
    std::vector<std::string> warnings;  ///< tolerated deviations, for the history
};

/// Checks a body in the order of MSG-20: size, structure, signer, signature, attributes. BER is accepted. Errors:
/// ca_too_big, ca_not_scep (empty, HTML, text), ca_truncated (the outermost length says more than there is),
/// scep_structure, scep_signer, scep_signature, scep_algorithm, scep_attribute, scep_message_type, scep_transaction,
/// scep_nonce, scep_status, scep_envelope (SUCCESS without one, BAD-87, BAD-88).
Result<CertRep> read_cert_rep(ByteView body, const ReplyExpectation& expected);

/// Opens an envelope addressed to `recipient` by issuer and serial (ENV-10) with one raw private operation of `key`; a
/// random content key takes the place of one that does not decrypt (SEC-9), so that every failure after the recipient
/// check is the same scep_decrypt. The content is returned only if it is one complete DER or BER value (ENV-15).
/// Single DES is decrypted in a library context of its own. A token that fails looks like an envelope that does not
/// open: the keystore knows the difference. Errors: scep_envelope, scep_recipient, scep_algorithm (cipher below the
/// floor or unknown, BAD-96, BAD-97; key transport other than PKCS#1 v1.5, or OAEP whose parameters do not say SHA-1 or
/// SHA-256, BAD-99, ENV-18), scep_decrypt.
Result<Secret> open_envelope(ByteView envelope, const Certificate& recipient, EVP_PKEY* key,
                             const LegacyPermissions& legacy, const ParseLimits& limits);

/// What has to be agreed upon to take out a content key that is wrapped for an EC key (RFC 5753 §3.1). Public.
struct KeyAgreement {
    PublicKey originator;        ///< the sender's ephemeral key, on the curve of the recipient's
    std::string digest;          ///< libcrypto's name of the key derivation's hash
    Bytes wrap_algorithm;        ///< AlgorithmIdentifier of the key wrap, as received
    Bytes user_keying_material;  ///< empty: none
    Bytes wrapped_key;
};

/// What an EC key opens replies with, since it cannot decrypt (ENV-12).
struct EcRecipient {
    /// Agrees by the key of the certificate that signed the request, and unwraps: the content key. A failure of
    /// scep_algorithm is passed on; all others look like an envelope that does not open.
    std::function<Result<Secret>(const KeyAgreement&)> agree;
    /// The challenge, asked for only when the reply is encrypted under it; null: such a reply is for nobody here.
    std::function<Result<Secret>()> password = nullptr;
};

/// An envelope's content.
struct OpenedEnvelope {
    Secret content;
    std::vector<std::string> warnings;  ///< tolerated deviations
};

/// As open_envelope() above, for a `recipient` with an EC key: by key agreement where the envelope names it by issuer
/// and serial or by its subject key identifier, else by the challenge where there is one recipient by password. A wrong
/// challenge, a wrong point and a key that does not unwrap are the same scep_decrypt. Errors also: those of
/// EcRecipient::password; scep_envelope for more than ParseLimits::max_pbkdf2 iterations (ENV-19, BAD-100).
Result<OpenedEnvelope> open_envelope(ByteView envelope, const Certificate& recipient, const EcRecipient& key,
                                     const LegacyPermissions& legacy, const ParseLimits& limits);

/// The certificates of a degenerate SignedData (DEG-1…7), unordered. Errors: scep_inner, scep_no_certificate.
Result<std::vector<Certificate>> read_degenerate(ByteView content, const ParseLimits& limits);

/// What an issued certificate must be (CERT-1…10 and the identity's `accept`).
struct IssueExpectation {
    PublicKey public_key;
    DistinguishedName subject;
    std::vector<std::string> subject_alt_names;
    enum class Subject : std::uint8_t { same_rdns, exact, any } subject_rule = Subject::same_rdns;
    enum class AltNames : std::uint8_t { superset, any } alt_names_rule = AltNames::superset;
    std::vector<std::string> key_usage;
    std::vector<std::string> extended_key_usage;
    bool require_usage = false;              ///< accept.usage = "require"; else missing usages are warnings
    Certificate issuer;                      ///< CaSet::issuer
    Certificate anchor;                      ///< CaSet::anchor
    std::vector<Certificate> intermediates;  ///< CaSet::intermediates
    TimePoint now;
    std::optional<Certificate> current;  ///< a renewal must bring a later one (DEG-4)
    LegacyPermissions legacy;
    ParseLimits limits;
    /// A shadow certificate is asked for (ROLL-13): issuer, anchor and intermediates are the next CA's, and the
    /// certificate and its CA may become valid in the future.
    struct Rollover {
        std::vector<Certificate> present_signers;  ///< CaSet::signers of the CA in force (ROLL-15)
    };
    std::optional<Rollover> rollover{};
};

/// The certificate that is accepted, with its chain.
struct IssuedCertificate {
    Certificate leaf;
    std::vector<Certificate> chain;     ///< leaf's issuer first, anchor not included
    std::vector<std::string> warnings;  ///< e.g. usages that the CA left out (CERT-6), order of RDNs changed
};

/// Chooses the leaf by public key (DEG-3, DEG-4), builds the chain to the anchor (DEG-8) and checks CERT-1…10.
/// Errors: scep_key_mismatch, scep_no_progress (nothing received ends later than `current`), scep_rollover_issuer (a
/// shadow certificate that the CA in force issued: judge it once more as a renewal, without `rollover` and against the
/// set in force), scep_chain, scep_certificate, scep_algorithm (leaf or intermediate signed with SHA-1 without the
/// permission, or with a broken digest).
Result<IssuedCertificate> accept_certificate(const std::vector<Certificate>& received,
                                             const IssueExpectation& expected);

}  // namespace hwenroll::scep
