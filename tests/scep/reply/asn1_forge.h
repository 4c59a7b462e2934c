// ASN.1 written by hand, well-formed or not, independent of the code under test.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::test::asn1 {

/// One value with a definite, minimal length around the parts.
Bytes value(std::uint8_t tag, std::initializer_list<ByteView> parts);
Bytes value(std::uint8_t tag, const std::vector<Bytes>& parts);

/// The same with an indefinite length.
Bytes indefinite(std::uint8_t tag, std::initializer_list<ByteView> parts);

Bytes sequence(std::initializer_list<ByteView> parts);
Bytes set(std::initializer_list<ByteView> parts);

/// [number], constructed.
Bytes tagged(unsigned number, std::initializer_list<ByteView> parts);

Bytes integer(std::uint8_t number);
Bytes octet_string(ByteView content);

/// OCTET STRING of indefinite length in pieces of `size` octets.
Bytes octet_string_in_pieces(ByteView content, std::size_t size);
Bytes printable_string(std::string_view text);
Bytes oid(const std::string& dotted);
Bytes null();

/// AlgorithmIdentifier with NULL parameters, or with `parameters` when they are not empty.
Bytes algorithm(const std::string& dotted, ByteView parameters = {});

Bytes joined(const std::vector<Bytes>& parts);

}  // namespace hwenroll::test::asn1
