// A kernel that has no system call filters, for a process that has one already.
#pragma once

#include <cerrno>
#include <seccomp.h>
#include <sys/prctl.h>

namespace hwenroll::keystore {

/// From now on neither seccomp(2) nor prctl(2) gives this process and its children a filter. False: this kernel itself
/// gives none.
inline bool pretend_old_kernel() {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    const bool done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0) == 0 &&
                      seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                                       scmp_arg_cmp{0, SCMP_CMP_EQ, PR_SET_SECCOMP, 0}) == 0 &&
                      seccomp_load(filter) == 0;
    seccomp_release(filter);
    return done && seccomp_reset(nullptr, 0) == 0;  // libseccomp forgets what the kernel could do
}

}  // namespace hwenroll::keystore
