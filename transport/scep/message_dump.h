// A message laid open for a person, without judging it (`hwenroll scep decode`).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// One line of a dump: nesting level, name and printable value.
struct DumpLine {
    int level = 0;
    std::string name;   ///< e.g. "transactionID", "recipient issuer"
    std::string value;  ///< printable
};

/// What a file holds, as far as it could be read.
struct MessageDump {
    std::string kind;  ///< e.g. "pkiMessage PKCSReq", "CertRep SUCCESS", "GetCACert set", "certificate", "GetCACaps"
    std::vector<DumpLine> lines;
    std::vector<std::string> notes;  ///< deviations from RFC 8894 that a reader should see
};

/// Reads a PKIOperation body, a GetCACert or GetNextCACert body, a certificate, a CSR, a CRL or capabilities text; also
/// what was saved as text, see read_text_message(). With `recipient_key` (a
/// software key) an envelope is opened too; the challengePassword inside a CSR is never shown. Single DES is opened.
/// Error code: scep_structure, with the offset at which reading failed and the reason.
Result<MessageDump> dump(ByteView body, EVP_PKEY* recipient_key, const ParseLimits& limits);

}  // namespace hwenroll::scep
