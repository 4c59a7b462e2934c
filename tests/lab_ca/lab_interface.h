// What tests ask and tell the lab CA over HTTP, beside SCEP: `/lab/...`. It needs no authentication.
#pragma once

#include "tests/lab_ca/http_message.h"
#include "tests/lab_ca/ledger.h"

namespace hwenroll::lab_ca {

/// Whether `request` is for this interface and not for SCEP.
bool is_lab_request(const HttpRequest& request);

/// Answers it, by GET:
///
/// - `/lab/issued`: every certificate that was issued, a JSON array in the order of issue;
/// - `/lab/pending`: the transactions that are undecided, a JSON array;
/// - `/lab/approve?transaction=ID` and `/lab/deny?transaction=ID[&text=TEXT]` decide one that awaits approval;
/// - `/lab/revoke?serial=HEX[&reason=keyCompromise]`: the certificate renews nothing from now on and is on the next
/// CRL;
/// - `/lab/restore?serial=HEX` leaves it out of the next CRL again, `/lab/crl?form=WORD&cert=WORD&entries=N` changes
/// --crl-form
///   and --cert-form (both answered by LabCa itself).
///
/// `/lab/challenge`, a challenge that works once, is LabCa's own.
///
/// Status 404 when there is no such transaction, certificate or path, 500 when a file cannot be written.
HttpReply answer_lab_request(const HttpRequest& request, Ledger& ledger);

}  // namespace hwenroll::lab_ca
