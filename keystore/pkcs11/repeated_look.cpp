#include "keystore/pkcs11/repeated_look.h"

#include <thread>

namespace hwenroll::keystore::pkcs11 {

bool RepeatedLook::again() {
    if (looks_ == pauses.size()) {
        return false;
    }
    std::this_thread::sleep_for(pauses.at(looks_++));
    return true;
}

}  // namespace hwenroll::keystore::pkcs11
