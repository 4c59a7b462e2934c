// OpenSC's pkcs11-tool: another program that uses the same PKCS#11 token.
#pragma once

#include <string>
#include <vector>

#include "tests/keystore/contract/token_world.h"

namespace hwenroll::keystore::test {

/// Where pkcs11-tool finds the token.
struct ToolTarget {
    std::string module;
    std::string label;
    std::string pin;
    std::vector<std::string> environment;
};

/// Deletes one half of the pair with this id; false when the token has none.
bool delete_half(const ToolTarget& target, const KeyId& id, TokenWorld::Half half);

}  // namespace hwenroll::keystore::test
