// PEM as RFC 7468 text: what other programs read and what operators paste.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate.h"

namespace hwenroll {

/// `der` under `label`, 64 characters a line, with a final newline.
std::string to_pem(std::string_view label, ByteView der);

/// The text that to_pem() makes, piece by piece to `take` until that returns false, for octets that are too many to be
/// in memory twice.
void pem_pieces(std::string_view label, ByteView der, const std::function<bool(std::string_view)>& take);

/// A certificate under the label CERTIFICATE.
std::string to_pem(const Certificate& certificate);

/// What is between the lines of each block in `text` whose label is one of `labels`, in order.
std::vector<Bytes> blocks_from_pem(std::string_view text, std::initializer_list<std::string_view> labels);

/// What is between the lines of the first block of `label`, decoded within the memory of `text`. Header lines
/// (RFC 1421) are not read. Error code: scep_structure, when there is none or it is malformed.
Result<Bytes> block_from_pem(Bytes text, std::string_view label);

/// What is between the lines of all certificates in `text`, in order; other blocks are skipped. Error code:
/// scep_structure when there is none.
Result<std::vector<Bytes>> certificate_ders_from_pem(std::string_view text);

/// The same, read as certificates. Error code: scep_structure, also when one is malformed.
Result<std::vector<Certificate>> certificates_from_pem(std::string_view text);

/// A software private key in an unencrypted PEM (for `scep decode` and tests; the agent holds none).
/// Error code: scep_structure.
Result<OpenSslPtr<EVP_PKEY>> private_key_from_pem(std::string_view text);

}  // namespace hwenroll
