#include "keystore/worker/process_confinement.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "keystore/worker/sanitizer.h"

namespace hwenroll::keystore {
namespace {

tl::unexpected<Error> refuse(std::string why) {
    return fail(ErrorCode::token_worker, "the token worker cannot start", std::move(why));
}

bool may_exceed_memlock_limit() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1U << CAP_IPC_LOCK)) != 0;
}

/// Locks present and future pages. With a limit in force a later mapping of the vendor module would fail instead of
/// being left unlocked (mlockall(2), MCL_FUTURE), so then nothing is locked.
void lock_memory() {
    rlimit limit{};
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY || may_exceed_memlock_limit()) {
        // Pages as they come into use: a whole stack of 8 MiB need not be there.
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    }
}

}  // namespace

Status confine_process() {
    // A signal to the whole service or terminal must not end a C_Login half-way: the connection's end and the deadline
    // end the worker. SIGABRT is what systemd's watchdog sends to all processes of a service (systemd.kill(5));
    // abort(3) ends the process although it is ignored.
    for (const int number : {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGABRT}) {
        std::signal(number, SIG_IGN);
    }
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return refuse("core files cannot be switched off: " + std::generic_category().message(errno));
    }
    if (!sanitized) {
        if (prctl(PR_SET_DUMPABLE, 0) != 0) {
            return refuse("its memory cannot be hidden: " + std::generic_category().message(errno));
        }
        lock_memory();
    }
    return {};
}

Status check_connection(int descriptor, uid_t agent) {
    int type = 0;
    socklen_t size = sizeof type;
    sockaddr_storage address{};
    socklen_t address_size = sizeof address;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET ||
        getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &address_size) != 0 ||
        address.ss_family != AF_UNIX) {
        return refuse(fmt::format("descriptor {} is no SOCK_SEQPACKET Unix socket", descriptor));
    }
    ucred peer{};
    size = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return refuse("its peer is unknown: " + std::generic_category().message(errno));
    }
    if (peer.uid != 0 && peer.uid != agent) {
        return refuse(fmt::format("its peer runs as user {}, not as user {} or root", peer.uid, agent));
    }
    if (fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) {
        return refuse(std::generic_category().message(errno));
    }
    return {};
}

}  // namespace hwenroll::keystore
