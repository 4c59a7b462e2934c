// DER written by hand, so that a mutator can write what no library would.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::lab_ca::der {

/// One element of that identifier octet, with a definite and minimal length.
Bytes element(std::uint8_t identifier, std::initializer_list<ByteView> parts);
Bytes element(std::uint8_t identifier, const std::vector<Bytes>& parts);

/// One of indefinite length, which is BER and no DER.
Bytes indefinite(std::uint8_t identifier, std::initializer_list<ByteView> parts);

Bytes sequence(std::initializer_list<ByteView> parts);
Bytes set(std::initializer_list<ByteView> parts);

/// [0] and [1], constructed.
Bytes context_0(std::initializer_list<ByteView> parts);
Bytes context_1(std::initializer_list<ByteView> parts);

Bytes integer(std::uint8_t number);

/// Content octets as they are.
Bytes integer(ByteView content);
Bytes octet_string(ByteView content);
Bytes printable(std::string_view text);
Bytes utf8(std::string_view text);

/// A dotted OBJECT IDENTIFIER; throws std::runtime_error when it is none.
Bytes object(std::string_view dotted);

/// AlgorithmIdentifier with `parameters`, or without any.
Bytes algorithm(std::string_view dotted, ByteView parameters = {});
Bytes null();

Bytes joined(const std::vector<Bytes>& parts);

/// What a ContentInfo of that type holds.
Bytes content_info(std::string_view type, ByteView content);

}  // namespace hwenroll::lab_ca::der
