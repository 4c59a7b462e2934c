#include "keystore/login_under_way.h"

#include <condition_variable>
#include <mutex>

namespace hwenroll::keystore {
namespace {

struct Logins {
    std::mutex mutex;
    std::condition_variable changed;
    int under_way = 0;
    bool ended = false;
};

Logins& logins() {
    // Never destroyed: a thread may wait in here until the very end of the process.
    static auto* const instance = new Logins;
    return *instance;
}

}  // namespace

LoginUnderWay::LoginUnderWay() {
    std::unique_lock lock(logins().mutex);
    logins().changed.wait(lock, [] { return !logins().ended; });
    ++logins().under_way;
}

LoginUnderWay::~LoginUnderWay() {
    {
        const std::lock_guard lock(logins().mutex);
        --logins().under_way;
    }
    logins().changed.notify_all();
}

void end_logins(std::chrono::milliseconds patience) {
    std::unique_lock lock(logins().mutex);
    logins().ended = true;
    logins().changed.wait_for(lock, patience, [] { return logins().under_way == 0; });
}

}  // namespace hwenroll::keystore
