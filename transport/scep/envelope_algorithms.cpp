#include "transport/scep/envelope_algorithms.h"

#include <algorithm>

#include "transport/scep/envelope.h"
#include "transport/scep/key_transport.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {

std::optional<EnvelopeAlgorithms> algorithms_of(ByteView envelope, const Certificate& recipient,
                                                const ParseLimits& limits) {
    const auto data = parse_enveloped_data(envelope, limits);
    if (!data) {
        return std::nullopt;
    }
    EnvelopeAlgorithms found;
    if (const CipherInfo* const info = cipher_by_oid(data->content_algorithm.oid)) {
        found.cipher = info->cipher;
    }
    const auto ours = std::ranges::find_if(data->recipients, [&](const auto& r) { return names(r.id, recipient); });
    if (ours != data->recipients.end()) {
        const auto scheme = key_transport_of(ours->algorithm);
        found.key_encryption = scheme ? to_text(*scheme) : name_of_oid(ours->algorithm.oid);
    } else if (!data->other_recipients.empty()) {
        found.key_encryption = data->other_recipients.front();
    }
    return found;
}

}  // namespace hwenroll::scep
