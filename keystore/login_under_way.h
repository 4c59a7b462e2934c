// The C_Login that this process is in, if it is in one.
#pragma once

#include <chrono>

namespace hwenroll::keystore {

/// Stands around one C_Login. SoftHSM2 (2.6.1) empties its token's file in C_Login, that for a use too, and writes it
/// anew before C_Login returns: a process that ends in between leaves a token without its keys (ADR 0025).
class LoginUnderWay {
 public:
    /// After end_logins() no C_Login may begin: this does not return, since the process ends.
    LoginUnderWay();
    LoginUnderWay(const LoginUnderWay&) = delete;
    LoginUnderWay& operator=(const LoginUnderWay&) = delete;
    ~LoginUnderWay();
};

/// Lets no further C_Login begin and waits for the end of the one under way, up to `patience`; returns at once when
/// there is none. For a process that is about to call _exit(2). From any thread.
void end_logins(std::chrono::milliseconds patience);

}  // namespace hwenroll::keystore
