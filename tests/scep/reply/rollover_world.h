// A CA in force and its successors, and GetNextCACert replies as a CA would make them, and as it should not.
#pragma once

#include <string>
#include <vector>

#include "tests/scep/reply/reply_forge.h"
#include "transport/scep/next_ca.h"

namespace hwenroll::test {

/// The CA of world() ends a year from now. Its successor of the same name has another key and begins 300 days from now.
struct RolloverWorld {
    Key next_key, next_ra_key;
    Certificate next, next_ra;
    Certificate link;  ///< of the next key, signed by the CA in force (newWithOld)
    scep::NextCaExpectation expectation;
};

/// Made once in a program.
const RolloverWorld& rollover_world();

/// The specification of `next`.
CertificateSpec next_ca_spec();

/// The roles of `certificates`, the first of which is the pinned anchor, in present().
scep::CaSet ca_set(const std::vector<Certificate>& certificates);

/// A reply with `certificates` in its signed content, signed by the CA in force.
ForgedReply next_ca_reply(const std::vector<Certificate>& certificates);

/// The flat form: an empty signed content and `certificates` beside it.
ForgedReply flat_next_ca_reply(const std::vector<Certificate>& certificates);

/// Encodings of `certificates`.
std::vector<Bytes> encodings(const std::vector<Certificate>& certificates);

}  // namespace hwenroll::test
