#include "transport/scep/vocabulary.h"

#include <algorithm>

namespace hwenroll::scep {

std::string_view to_text(MessageType type) {
    switch (type) {
        case MessageType::cert_rep:
            return "CertRep";
        case MessageType::renewal_req:
            return "RenewalReq";
        case MessageType::pkcs_req:
            return "PKCSReq";
        case MessageType::cert_poll:
            return "CertPoll";
        case MessageType::get_cert:
            return "GetCert";
        case MessageType::get_crl:
            return "GetCRL";
    }
    return "unknown";
}

std::string_view to_text(PkiStatus status) {
    switch (status) {
        case PkiStatus::success:
            return "SUCCESS";
        case PkiStatus::failure:
            return "FAILURE";
        case PkiStatus::pending:
            return "PENDING";
    }
    return "unknown";
}

std::string_view to_text(FailInfo info) {
    switch (info) {
        case FailInfo::bad_alg:
            return "badAlg";
        case FailInfo::bad_message_check:
            return "badMessageCheck";
        case FailInfo::bad_request:
            return "badRequest";
        case FailInfo::bad_time:
            return "badTime";
        case FailInfo::bad_cert_id:
            return "badCertId";
    }
    return "unknown";
}

std::string_view to_text(Operation operation) {
    switch (operation) {
        case Operation::get_ca_caps:
            return "GetCACaps";
        case Operation::get_ca_cert:
            return "GetCACert";
        case Operation::get_next_ca_cert:
            return "GetNextCACert";
        case Operation::pki_operation:
            return "PKIOperation";
    }
    return "unknown";
}

std::string_view to_text(Digest digest) {
    switch (digest) {
        case Digest::sha1:
            return "SHA-1";
        case Digest::sha256:
            return "SHA-256";
        case Digest::sha384:
            return "SHA-384";
        case Digest::sha512:
            return "SHA-512";
    }
    return "unknown";
}

std::string_view to_text(ContentCipher cipher) {
    switch (cipher) {
        case ContentCipher::des:
            return "DES-CBC";
        case ContentCipher::des3:
            return "3DES-CBC";
        case ContentCipher::aes128:
            return "AES-128-CBC";
        case ContentCipher::aes192:
            return "AES-192-CBC";
        case ContentCipher::aes256:
            return "AES-256-CBC";
    }
    return "unknown";
}

TransactionId transaction_id_from(const std::array<std::uint8_t, 16>& random) {
    return {to_hex(random)};
}

Seconds for_lifetime(Seconds limit, Seconds lifetime) {
    return std::max(std::min(limit, lifetime / 100), Seconds(1));
}

}  // namespace hwenroll::scep
