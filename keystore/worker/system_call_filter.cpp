#include "keystore/worker/system_call_filter.h"

#include <array>
#include <cerrno>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <system_error>

#include <fmt/format.h>

#include "keystore/worker/sanitizer.h"

namespace hwenroll::keystore {
namespace {

/// By name: libseccomp knows the number on each architecture, and that some have no such call.
constexpr auto denied_calls = std::to_array<const char*>({
    // Programs.
    "execve",
    "execveat",
    // Other processes.
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    "move_pages",
    // The kernel's code and state.
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "lookup_dcookie",
    "syslog",
    "acct",
    "quotactl",
    "quotactl_fd",
    "iopl",
    "ioperm",
    "vhangup",
    "fanotify_init",
    "swapon",
    "swapoff",
    "sethostname",
    "setdomainname",
    // What goes past this filter: requests in a ring are no system calls, a file handle is no path.
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "open_by_handle_at",
    // Clocks.
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "adjtimex",
    "clock_adjtime",
    "clock_adjtime64",
    "stime",
    // Keyrings.
    "keyctl",
    "add_key",
    "request_key",
    // File systems and namespaces.
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "move_mount",
    "open_tree",
    "mount_setattr",
    "unshare",
    "setns",
    // Users.
    "setuid",
    "setuid32",
    "setgid",
    "setgid32",
    "setreuid",
    "setreuid32",
    "setregid",
    "setregid32",
    "setresuid",
    "setresuid32",
    "setresgid",
    "setresgid32",
    "setfsuid",
    "setfsuid32",
    "setfsgid",
    "setfsgid32",
    "setgroups",
    "setgroups32",
    "capset",
});

/// Flags of clone(2) that make a namespace.
constexpr std::array<std::uint64_t, 7> namespaces{CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                                  CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

/// The kernel reads an int from the lower half of a register and libseccomp compares the whole.
scmp_arg_cmp int_argument_is(unsigned int position, std::uint64_t value) {
    return {position, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFU, value};
}

/// A filter under construction. The first failure stays.
class Filter {
 public:
    Filter() : context_(seccomp_init(SCMP_ACT_ALLOW)), error_(context_ ? 0 : -ENOMEM) {
        set(SCMP_FLTATR_CTL_TSYNC, 1);
        // Calls of another architecture (32-bit, x32) have numbers of their own: all denied.
        set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    }

    template <class... Comparisons>
    void deny(int call, int answer, const Comparisons&... comparisons) {
        const std::array<scmp_arg_cmp, sizeof...(comparisons)> all{comparisons...};
        if (error_ == 0) {
            error_ = seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(static_cast<unsigned>(answer)), call,
                                            all.size(), all.data());
        }
    }

    /// libseccomp 2.5.4 (Debian 12) knows all names of the table; an older one knows what its kernels had.
    void deny(const char* name) {
        if (const int call = seccomp_syscall_resolve_name(name); call != __NR_SCMP_ERROR) {
            deny(call, EPERM);
        }
    }

    int load() {
        if (error_ == 0) {
            error_ = seccomp_load(context_.get());
        }
        return error_;
    }

 private:
    struct Release {
        void operator()(void* context) const noexcept { seccomp_release(context); }
    };
    void set(scmp_filter_attr attribute, std::uint32_t value) {
        if (error_ == 0) {
            error_ = seccomp_attr_set(context_.get(), attribute, value);
        }
    }

    std::unique_ptr<void, Release> context_;
    int error_;
};

bool is_allowed(int family, Network network) {
    return family == AF_UNIX ||
           (network == Network::allowed && (family == AF_INET || family == AF_INET6 || family == AF_NETLINK));
}

void deny_sockets(Filter& filter, Network network) {
    for (int family = 0; family <= AF_NETLINK; ++family) {
        if (!is_allowed(family, network)) {
            filter.deny(SCMP_SYS(socket), EAFNOSUPPORT, int_argument_is(0, static_cast<std::uint64_t>(family)));
        }
    }
    // Also of what has something in the upper half.
    filter.deny(SCMP_SYS(socket), EAFNOSUPPORT, scmp_arg_cmp{0, SCMP_CMP_GT, AF_NETLINK, 0});
}

void deny_tracing(Filter& filter) {
    filter.deny("ptrace");
    filter.deny(SCMP_SYS(prctl), EPERM, int_argument_is(0, PR_SET_DUMPABLE));
    filter.deny(SCMP_SYS(prctl), EPERM, int_argument_is(0, PR_SET_PTRACER));
}

void deny_by_arguments(Filter& filter) {
    filter.deny(SCMP_SYS(ioctl), EPERM, int_argument_is(1, TIOCSTI));
    for (const std::uint64_t flag : namespaces) {
        filter.deny(SCMP_SYS(clone), EPERM, scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, flag, flag});
    }
    // Its flags are behind a pointer, where no filter looks. glibc takes clone() when there is no clone3().
    filter.deny(SCMP_SYS(clone3), ENOSYS);
}

}  // namespace

Status deny_system_calls(Network network) {
    Filter filter;
    for (const char* name : denied_calls) {
        filter.deny(name);
    }
    if (!sanitized) {
        deny_tracing(filter);
    }
    deny_by_arguments(filter);
    deny_sockets(filter, network);
    if (const int error = filter.load(); error != 0) {
        return fail(ErrorCode::token_worker, "the token worker cannot confine itself, so it loads no vendor code",
                    fmt::format("seccomp: {}", std::generic_category().message(-error)),
                    "use a kernel with CONFIG_SECCOMP_FILTER, and a container or service (SystemCallFilter=) that "
                    "allows seccomp(2)");
    }
    return {};
}

}  // namespace hwenroll::keystore
