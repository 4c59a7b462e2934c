// How to reach one token: the part of the configuration that the keystore needs, already validated.
#pragma once

#include <chrono>
#include <string>

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
    friend bool operator==(const Pkcs11Options&, const Pkcs11Options&) = default;
};

}  // namespace hwenroll::keystore
