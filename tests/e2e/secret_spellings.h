// The canaries of the end-to-end tests in whatever form something might write them down (invariant 7).
#pragma once

#include <string>
#include <vector>

namespace hwenroll::test {

/// `text` in base64, but for the octets after its last whole group of three.
std::string base64(const std::string& text);

/// `secret` as it might be written down: raw, in hexadecimal, percent-encoded wholly or where it must be, and in base64
/// at each of the three places in a group; whole groups only, since the neighbours of the others are not known.
std::vector<std::string> spellings(const std::string& secret);

/// `text` has neither canary_pin nor canary_challenge, in no spelling; `where` it comes from is for the message.
void expect_no_spelling(const std::string& where, const std::string& text);

}  // namespace hwenroll::test
