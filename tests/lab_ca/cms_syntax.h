// SignedData and EnvelopedData (RFC 5652) as received: structure only, nothing is verified or decrypted here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/lab_ca/asn1_reader.h"

namespace hwenroll::lab_ca {

namespace oid {
constexpr std::string_view data = "1.2.840.113549.1.7.1";
constexpr std::string_view signed_data = "1.2.840.113549.1.7.2";
constexpr std::string_view enveloped_data = "1.2.840.113549.1.7.3";
constexpr std::string_view content_type = "1.2.840.113549.1.9.3";
constexpr std::string_view message_digest = "1.2.840.113549.1.9.4";
constexpr std::string_view signing_time = "1.2.840.113549.1.9.5";
}  // namespace oid

struct AlgorithmSyntax {
    std::string oid;
    Bytes parameters;  ///< whole DER, empty when absent
};

struct AttributeValue {
    std::uint8_t tag = 0;  ///< identifier octet without the constructed bit
    Bytes content;
};

struct AttributeSyntax {
    std::string oid;
    std::vector<AttributeValue> values;
};

struct IssuerAndSerial {
    Bytes issuer;  ///< DER Name
    Bytes serial;  ///< content octets without needless zeros

    friend bool operator==(const IssuerAndSerial&, const IssuerAndSerial&) = default;
};

struct SignerSyntax {
    std::optional<long> version;
    std::optional<IssuerAndSerial> id;  ///< absent: named by subject key identifier
    Bytes key_identifier;               ///< where `id` is absent
    AlgorithmSyntax digest;
    Bytes
        signed_octets;  ///< what the signature covers: the attributes as they came, under a SET header (RFC 5652 §5.4)
    std::vector<AttributeSyntax> signed_attributes;
    std::vector<AttributeSyntax> unsigned_attributes;
    bool attributes_in_order = true;  ///< ascending, as DER wants a SET OF
    AlgorithmSyntax signature_algorithm;
    Bytes signature;

    /// All signed attributes of that type.
    [[nodiscard]] std::vector<const AttributeSyntax*> attributes(std::string_view type) const;

    /// The one value of the one signed attribute of that type; nullptr when there is none or more than one.
    [[nodiscard]] const AttributeValue* single_value(std::string_view type) const;
};

struct SignedDataSyntax {
    std::optional<long> version;
    std::vector<AlgorithmSyntax> digests;
    std::string content_type;
    std::optional<Bytes> content;     ///< octets inside the OCTET STRING
    std::vector<Bytes> certificates;  ///< DER of those that are X.509 certificates
    std::vector<SignerSyntax> signers;
    std::vector<std::string> deviations;  ///< from DER
};

struct RecipientSyntax {
    std::optional<IssuerAndSerial> id;  ///< absent: named otherwise, or no key transport
    bool key_transport = false;
    bool by_password = false;  ///< of which nothing else is read
    std::optional<long> version;
    AlgorithmSyntax key_algorithm;
    Bytes encrypted_key;
};

struct EnvelopedDataSyntax {
    std::optional<long> version;
    std::vector<RecipientSyntax> recipients;
    std::string content_type;
    AlgorithmSyntax cipher;
    std::optional<Bytes> iv;  ///< the cipher's parameters if they are an OCTET STRING
    std::optional<Bytes> encrypted_content;
    std::vector<std::string> deviations;  ///< from DER
};

/// Reads a ContentInfo with SignedData. Error code: scep_structure.
Result<SignedDataSyntax> read_signed_data(ByteView content_info);

/// Reads a ContentInfo with EnvelopedData. Error code: scep_structure.
Result<EnvelopedDataSyntax> read_enveloped_data(ByteView content_info);

/// Reads an IssuerAndSerialNumber element; absent when it is none.
std::optional<IssuerAndSerial> issuer_and_serial(const Asn1Node& node);

}  // namespace hwenroll::lab_ca
