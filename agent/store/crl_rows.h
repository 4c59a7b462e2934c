// CRLs: state.db's tables crls and crl_documents.
#pragma once

#include <string>
#include <vector>

#include "agent/lifecycle/crl_state.h"
#include "agent/store/database.h"

namespace hwenroll::store {

/// What is known of the CRLs of a CA's certificates. Error code: state_database.
Result<std::vector<lifecycle::CrlState>> read_crls(Database& database, const std::string& authority);

/// Replaces the rows of the CA, keeps `document` (DER) under its digest unless it is empty, and drops every list that
/// neither a CA nor a published certificate refers to any more. To be called inside a DatabaseTransaction. Error code:
/// state_database.
Status write_crls(Database& database, const std::string& authority, const std::vector<lifecycle::CrlState>& states,
                  ByteView document);

/// Whether a certificate is published, or to be, with the list of this digest. Error code: state_database.
Result<bool> is_published(Database& database, const Bytes& digest);

/// The DER of a list by its digest; empty when it is not there. Error code: state_database.
Result<Bytes> read_crl_document(Database& database, const Bytes& digest);

}  // namespace hwenroll::store
