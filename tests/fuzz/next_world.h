// The CA of signed_world() and its successor, the same in every run.
#pragma once

#include "tests/fuzz/signed_world.h"
#include "transport/scep/next_ca.h"

namespace hwenroll::fuzz {

struct NextWorld {
    Certificate next;  ///< with a key of its own, recorded in tests/fuzz/keys
    Certificate link;  ///< of the next key, signed by the CA in force
    scep::NextCaExpectation expectation;
};

/// Made once in a program.
const NextWorld& next_world();

}  // namespace hwenroll::fuzz
