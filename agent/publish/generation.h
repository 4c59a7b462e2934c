// What consumers of an identity get to see, as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"

namespace hwenroll::publish {

/// One generation of an identity: a certificate with what belongs to it.
struct Generation {
    std::string identity;      ///< `[a-z0-9][a-z0-9._-]{0,63}`
    std::uint64_t number = 1;  ///< from 1, growing with every certificate
    Certificate certificate;
    std::vector<Certificate> chain;    ///< the certificate's issuer first, anchors not included; may be empty
    std::vector<Certificate> anchors;  ///< at least one; old and new during a rollover
    /// Where the private key is: RFC 7512 without PIN, `file:` where `key_pem` is, or a TPM's `handle:0x81000010`,
    /// which no key.pem can name.
    std::string key_uri;
    /// A key that its token has wrapped (TSS2 PRIVATE KEY); empty: key.pem is made of the URI.
    std::string key_pem = {};
    Bytes crl = {};  ///< DER of the issuer's CRL, megabytes perhaps; empty: there is no crl.pem
};

/// Who may read the files. Directories are always 0711.
struct FilePolicy {
    std::uint32_t certificate_mode = 0644;
    std::string group;  ///< of key.pem and key.uri, which then are 0640; empty: they are 0600
};

/// What is published of an identity.
struct PublishedState {
    std::vector<std::uint64_t> generations;  ///< all that are there, ascending
    std::optional<std::uint64_t> current;    ///< where the link points
    Bytes certificate;                       ///< DER, of the current generation; empty when it could not be read
    std::string key_uri;                     ///< of the current generation
    std::string key_pem;                     ///< its key.pem if that holds a wrapped key; else empty
    std::string defect;  ///< what is wrong with the current generation or the link; empty: nothing (S9, S12, S13)
};

}  // namespace hwenroll::publish
