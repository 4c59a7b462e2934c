#include "keystore/evidence_signature.h"

#include <optional>

#include "keystore/ecdsa_signature.h"

namespace hwenroll::keystore {

namespace {

constexpr std::size_t field = 32;

std::optional<unsigned> take_number(ByteView& in) {
    if (in.size() < 2) {
        return std::nullopt;
    }
    const unsigned number = unsigned{in[0]} << 8U | in[1];
    in = in.subspan(2);
    return number;
}

/// A TPM2B_ECC_PARAMETER, in front of which leading zeros may be missing, appended as long as the field.
bool append_parameter(Bytes& out, ByteView& in) {
    const auto size = take_number(in);
    if (!size || *size > field || *size > in.size()) {
        return false;
    }
    out.insert(out.end(), field - *size, 0);
    const ByteView number = in.first(*size);
    out.insert(out.end(), number.begin(), number.end());
    in = in.subspan(*size);
    return true;
}

}  // namespace

Result<Bytes> evidence_signature_value(ByteView signature) {
    constexpr unsigned ecdsa = 0x0018;
    constexpr unsigned sha_256 = 0x000B;
    ByteView rest = signature;
    const auto scheme = take_number(rest);
    const auto hash = take_number(rest);
    Bytes numbers;
    if (scheme != ecdsa || hash != sha_256 || !append_parameter(numbers, rest) || !append_parameter(numbers, rest) ||
        !rest.empty()) {
        return fail(ErrorCode::token_protocol, "the signature of the evidence cannot be read",
                    "it is no TPMT_SIGNATURE by ECDSA with SHA-256 and P-256");
    }
    return ecdsa_signature_value(numbers);
}

}  // namespace hwenroll::keystore
