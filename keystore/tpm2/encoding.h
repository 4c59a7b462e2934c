// Structures of a TPM in its own encoding (TPM 2.0 part 1 §18). Internal to keystore/tpm2.
#pragma once

#include <tss2/tss2_mu.h>

#include "base/bytes.h"

namespace hwenroll::keystore::tpm2 {

/// `area` as `marshal`, one of Tss2_MU_*_Marshal, writes it; empty for one that breaks the encoding's rules.
template <class T, class Marshal>
Bytes octets_of(const T& area, Marshal marshal) {
    Bytes octets(sizeof(T));
    std::size_t offset = 0;
    if (marshal(&area, octets.data(), octets.size(), &offset) != TSS2_RC_SUCCESS) {
        return {};
    }
    octets.resize(offset);
    return octets;
}

}  // namespace hwenroll::keystore::tpm2
