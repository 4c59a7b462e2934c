// SignedData and EnvelopedData, line by line.
#pragma once

#include "transport/scep/dump_writer.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {

/// The signer, its attributes and the certificates of a message. Returns the value of messageType, empty if there is
/// none.
std::string dump_signed_data(const SignedData& data, DumpWriter out);

/// `text` of a SCEP string attribute, empty when there is no such attribute or it is no string.
std::string attribute_text(const SignedData& data, std::string_view oid);

}  // namespace hwenroll::scep
