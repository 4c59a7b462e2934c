// How the lab CA refuses a request: in the words of a CertRep.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace hwenroll::lab_ca {

/// RFC 8894 §3.2.1.4.
enum class FailInfo { bad_alg = 0, bad_message_check = 1, bad_request = 2, bad_time = 3, bad_cert_id = 4 };

/// Becomes a CertRep with pkiStatus FAILURE (SRV-16). `text` is sent as failInfoText unless it is empty; it must hold
/// no secret.
struct Rejection {
    FailInfo fail_info;
    std::string text;
};

template <class T>
using Outcome = tl::expected<T, Rejection>;

inline tl::unexpected<Rejection> reject(FailInfo fail_info, std::string text) {
    return tl::unexpected<Rejection>(Rejection{fail_info, std::move(text)});
}

}  // namespace hwenroll::lab_ca
