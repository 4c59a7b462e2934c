// How to reach one token: the part of the configuration that the keystore needs, already validated.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

namespace hwenroll::keystore {

/// Longest time for one call of each class; the worker is killed when it is over (T3).
struct TokenDeadlines {
    std::chrono::milliseconds login{30'000};
    std::chrono::milliseconds use{60'000};
    std::chrono::milliseconds generate{15 * 60'000};
    friend bool operator==(const TokenDeadlines&, const TokenDeadlines&) = default;
};

/// A PKCS#11 token.
struct Pkcs11Options {
    std::string name;    ///< the configuration's name, for messages
    std::string module;  ///< path of the shared object
    std::string
        uri;  ///< RFC 7512 without pin-value; matched by serial, label, manufacturer, model; never by slot number
    std::string pin;  ///< `file:/path`, `exec:/path` or `credential:NAME`; empty for a token without login
    TokenDeadlines deadlines;
    bool network = false;  ///< the module reaches its device over a network, or listens for USB devices by netlink
    friend bool operator==(const Pkcs11Options&, const Pkcs11Options&) = default;
};

/// A TPM 2.0.
struct Tpm2Options {
    std::string name;  ///< the configuration's name, for messages
    std::string tcti;  ///< `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321`, `tabrmd`
    std::string auth;  ///< source of the keys' authorization value, spelled as a PIN's; empty for an empty value
    /// The persistent handles that new keys may take, 0x81000000 to 0x81ffffff; both 0 where new keys are blobs.
    std::uint32_t first_handle = 0;
    std::uint32_t last_handle = 0;
    TokenDeadlines deadlines;
    bool network = false;  ///< the TCTI reaches the TPM over a network; see needs_network()
    friend bool operator==(const Tpm2Options&, const Tpm2Options&) = default;
};

/// A token of any type.
using TokenOptions = std::variant<Pkcs11Options, Tpm2Options>;

/// Whether the token's process may use other sockets than Unix ones: where the options say so, and for a simulator's
/// TCTI that has no `path=`, since that cannot do without.
bool needs_network(const TokenOptions& options);

/// What every type has.
inline const std::string& name_of(const TokenOptions& options) {
    return std::visit([](const auto& each) -> const std::string& { return each.name; }, options);
}
inline const TokenDeadlines& deadlines_of(const TokenOptions& options) {
    return std::visit([](const auto& each) -> const TokenDeadlines& { return each.deadlines; }, options);
}

}  // namespace hwenroll::keystore
