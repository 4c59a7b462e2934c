// Object identifiers that libcrypto has no name for.
#pragma once

namespace hwenroll::scep {

// RFC 8894 §3.2.1, arc id-attributes of VeriSign
inline constexpr const char* oid_message_type = "2.16.840.1.113733.1.9.2";
inline constexpr const char* oid_pki_status = "2.16.840.1.113733.1.9.3";
inline constexpr const char* oid_fail_info = "2.16.840.1.113733.1.9.4";
inline constexpr const char* oid_sender_nonce = "2.16.840.1.113733.1.9.5";
inline constexpr const char* oid_recipient_nonce = "2.16.840.1.113733.1.9.6";
inline constexpr const char* oid_transaction_id = "2.16.840.1.113733.1.9.7";
inline constexpr const char* oid_fail_info_text = "1.3.6.1.5.5.7.24.1";

/// Microsoft's SCEP error: a PrintableString with a signed decimal HRESULT (MSG-15).
inline constexpr const char* oid_microsoft_error = "1.3.6.1.4.1.311.21.33";

/// User principal name, an otherName holding a UTF8String (CSR-3).
inline constexpr const char* oid_upn = "1.3.6.1.4.1.311.20.2.3";

// What makes a certificate an RA's (SIG-13): RFC 6402 §2.10 and Microsoft's certificate request agent.
inline constexpr const char* oid_cmc_ra = "1.3.6.1.5.5.7.3.28";
inline constexpr const char* oid_certificate_request_agent = "1.3.6.1.4.1.311.20.2.1";

}  // namespace hwenroll::scep
