#include "keystore/worker/secret_keeper.h"

#include <atomic>
#include <unistd.h>

namespace hwenroll::keystore {
namespace {

/// uid_t(-1) is nobody's number (chown(2)).
constexpr auto nobody = static_cast<uid_t>(-1);

std::atomic<uid_t> keeper = nobody;

}  // namespace

void accept_secrets_of(uid_t user) {
    keeper = user;
}

std::optional<uid_t> secret_keeper() {
    const uid_t user = keeper;
    return ::geteuid() == 0 && user != nobody ? std::optional(user) : std::nullopt;
}

}  // namespace hwenroll::keystore
