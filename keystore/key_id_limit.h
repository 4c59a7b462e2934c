// How long a CKA_ID may be, on both sides of the worker's connection.
#pragma once

#include <cstddef>

namespace hwenroll::keystore {

/// Octets. Ours have 16; a foreign key with a longer id is as if it were not there.
inline constexpr std::size_t max_key_id_size = 255;

}  // namespace hwenroll::keystore
