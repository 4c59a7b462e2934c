// GetCACaps and what follows from it (CAPS-*, ALG-*).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// The answer to GetCACaps. All false is a legal answer (CAPS-7).
struct Capabilities {
    bool aes = false;
    bool des3 = false;
    bool get_next_ca_cert = false;
    bool post_pki_operation = false;
    bool renewal = false;
    bool sha1 = false;
    bool sha256 = false;
    bool sha512 = false;
    bool scep_standard = false;
    std::vector<std::string> unknown;   ///< printable, at most 256, for the log (CAPS-5)
    std::vector<std::string> warnings;  ///< e.g. "body does not look like capabilities" (CAPS-9)

    [[nodiscard]] bool allows_aes() const { return aes || scep_standard; }                  ///< CAPS-10
    [[nodiscard]] bool allows_sha256() const { return sha256 || scep_standard; }            ///< CAPS-10
    [[nodiscard]] bool allows_post() const { return post_pki_operation || scep_standard; }  ///< HTTP-7
    [[nodiscard]] bool allows_renewal() const { return renewal; }                           ///< CAPS-10, CAPS-11
    [[nodiscard]] bool allows_next_ca() const { return get_next_ca_cert; }                  ///< CAPS-10, CAPS-12
    friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

/// Reads a GetCACaps body of any content; never fails (CAPS-2…9).
Capabilities parse_capabilities(ByteView body);

/// The keywords as one line, for storage and display; parse_capabilities reads it back.
std::string to_text(const Capabilities& capabilities);

/// CAPS-13: the answer is not authenticated, so AES, SHA-256 or better and POST that the same CA announced `before` are
/// kept in `announced`; one warning names what was kept.
Capabilities without_downgrade(Capabilities announced, const Capabilities& before);

/// Algorithms of one transaction (ALG-11: the digest serves CSR, signer certificate and message alike).
struct Algorithms {
    Digest digest = Digest::sha256;
    ContentCipher cipher = ContentCipher::aes128;
    KeyTransport key_transport = KeyTransport::pkcs1;
    friend bool operator==(const Algorithms&, const Algorithms&) = default;
};

/// What the operator has fixed (ALG-4, ALG-8). It counts whatever the CA announces, since nobody vouches for an
/// announcement (SEC-5), and is weaker than the floor only where LegacyPermissions has it (ALG-10).
struct AlgorithmChoice {
    std::optional<Digest> digest = {};         ///< nothing: by what is announced
    std::optional<ContentCipher> cipher = {};  ///< one of AES, or 3DES; nothing: by what is announced
    KeyTransport key_transport = KeyTransport::pkcs1;
    friend bool operator==(const AlgorithmChoice&, const AlgorithmChoice&) = default;
};

/// Chooses by ALG-1…ALG-6 what `choice` leaves open. Error code: ca_algorithm, naming what the CA announced
/// or what `legacy` does not permit (any more).
Result<Algorithms> choose_algorithms(const Capabilities& capabilities, const LegacyPermissions& legacy,
                                     const AlgorithmChoice& choice = {});

}  // namespace hwenroll::scep
