#include "tests/keystore/contract/pkcs11_tool.h"

#include "tests/support/child_process.h"

namespace hwenroll::keystore::test {

bool delete_half(const ToolTarget& target, const KeyId& id, TokenWorld::Half half) {
    const std::string type = half == TokenWorld::Half::public_half ? "pubkey" : "privkey";
    return ::hwenroll::test::run({"pkcs11-tool", "--module", target.module, "--token-label", target.label, "--login",
                                  "--pin", target.pin, "--delete-object", "--type", type, "--id", to_hex(id.value)},
                                 {target.environment, {}, {}})
               .exit_code == 0;
}

}  // namespace hwenroll::keystore::test
