#include "agent/runtime/secret_reading.h"

#include "keystore/pin_source.h"

namespace hwenroll::runtime {

Result<Secret> read_secret(const std::optional<config::SecretSource>& source) {
    if (!source) {
        return Secret();
    }
    constexpr std::chrono::seconds deadline{30};
    const auto failed = [&](const Error& error) {
        return fail(ErrorCode::challenge_source, "cannot read the challenge from '" + source->text() + "'",
                    error.why());
    };
    auto parsed = keystore::PinSource::parse(source->text());
    if (!parsed) {
        return failed(parsed.error());
    }
    auto secret = parsed->read(deadline);
    if (!secret) {
        return failed(secret.error());
    }
    return std::move(secret->value);
}

}  // namespace hwenroll::runtime
