// A CA whose messages are the same in every run: one recorded key signs and receives everything, and every number that
// would be drawn is fixed. Replies and certificates are written by asn1_forge, so that any octets can stand in them.
#pragma once

#include "tests/scep/request/test_pki.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::fuzz {

struct SignedWorld {
    test::Key key;
    Certificate authority;
    Certificate request_signer;
    scep::ReplyExpectation expectation;
    scep::IssueExpectation issue;
};

/// Made once in a program.
const SignedWorld& signed_world();

/// messageType, pkiStatus SUCCESS, recipientNonce and transactionID as the expectation has them: encoded attributes.
Bytes expected_attributes();

/// SignedData of the authority over `content` with a good signature. `attributes` stand before contentType and
/// messageDigest as they are, `certificates` in the field of that name, which no signature covers; it is absent if
/// empty.
Bytes signed_reply(ByteView attributes, ByteView content, ByteView certificates = {});

/// An envelope (AES-128-CBC) with `plaintext` for the request's signer.
Bytes sealed(ByteView plaintext);

/// A certificate for the expected key, signed by the authority. `subject` is an encoded Name, `extensions` the encoded
/// Extension values in a row; neither need be well-formed.
Bytes signed_certificate(ByteView subject, ByteView extensions);

/// The Name that the expectation asks for.
Bytes expected_subject();

/// Extensions that the expectation is content with.
Bytes expected_extensions();

/// A CRL of the authority that is valid in its world. `entries` and `extensions` are what stands in revokedCertificates
/// and crlExtensions; neither need be well-formed.
Bytes signed_crl(ByteView entries, ByteView extensions);

/// Two entries, for the serial numbers 7 (keyCompromise) and 8.
Bytes expected_crl_entries();

/// A cRLNumber.
Bytes expected_crl_extensions();

/// A degenerate SignedData with these encodings.
Bytes certificate_set(const std::vector<Bytes>& certificates);

}  // namespace hwenroll::fuzz
