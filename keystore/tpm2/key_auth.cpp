#include "keystore/tpm2/key_auth.h"

#include <algorithm>

#include <fmt/format.h>

namespace hwenroll::keystore::tpm2 {

Status KeyAuth::allow(const KeyId& id) const {
    const auto known = std::find_if(refusals_.begin(), refusals_.end(),
                                    [&](const Refusal& each) { return each.id == id && each.source == pin_.identity; });
    if (known == refusals_.end()) {
        return {};
    }
    const auto now = source_.identity();
    if (known->source && now && *now && **now != *known->source) {
        return fail(ErrorCode::token_login_lost,
                    fmt::format("token '{}' is to use another authorization value", token_),
                    "the file of the refused one has changed");
    }
    return fail(ErrorCode::token_pin,
                fmt::format("token '{}' refused the authorization value of key {} before", token_, to_hex(id.value)),
                known->source ? "its file has not changed since" : "");
}

Error KeyAuth::refused(const KeyId& id, std::string why) {
    refusals_.push_back({id, pin_.identity});
    return Error(ErrorCode::token_pin,
                 fmt::format("token '{}' refused the authorization value of key {}", token_, to_hex(id.value)),
                 std::move(why));
}

}  // namespace hwenroll::keystore::tpm2
