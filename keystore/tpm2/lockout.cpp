#include "keystore/tpm2/lockout.h"

#include <algorithm>

#include <fmt/format.h>

#include "keystore/tpm2/properties.h"

namespace hwenroll::keystore::tpm2 {

std::optional<std::chrono::seconds> Lockout::wait() const {
    if (limit == 0 || counter < limit || interval.count() == 0) {
        return std::nullopt;
    }
    constexpr std::int64_t most = 1 << 20;  // far beyond every limit; keeps the product small
    return interval * std::min(std::int64_t{counter} - limit + 1, most);
}

std::string Lockout::text() const {
    return fmt::format("{} of {} refused authorizations are counted, one is forgotten every {} s", counter, limit,
                       interval.count());
}

Outcome<Lockout> read_lockout(Connection& connection) {
    const auto properties = read_properties(connection, TPM2_PT_LOCKOUT_COUNTER, 4);
    if (!properties) {
        return tl::unexpected(properties.error());
    }
    return Lockout{value_of(*properties, TPM2_PT_LOCKOUT_COUNTER), value_of(*properties, TPM2_PT_MAX_AUTH_FAIL),
                   std::chrono::seconds(value_of(*properties, TPM2_PT_LOCKOUT_INTERVAL))};
}

}  // namespace hwenroll::keystore::tpm2
