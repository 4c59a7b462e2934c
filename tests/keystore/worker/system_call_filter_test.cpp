// What the token worker's filter denies, and what it leaves to vendor code. Each filter is a child's own.
#include "keystore/worker/system_call_filter.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <linux/keyctl.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "keystore/worker/sanitizer.h"
#include "tests/keystore/worker/old_kernel.h"

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;

/// What `body` returns in a child process.
std::string in_child(const std::function<std::string()>& body) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0) {
        const std::string text = body();
        _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    close(ends[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t got = 0; (got = read(ends[0], part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    close(ends[0]);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended by " << status << " after " << text;
    return text;
}

/// The error of a system call with these arguments; 0 when it succeeds.
template <class... Arguments>
int error_of(long number, Arguments... arguments) {
    return syscall(number, arguments...) < 0 ? errno : 0;
}

int error_of_socket(long family, int type = SOCK_DGRAM) {
    const long descriptor = syscall(SYS_socket, family, type, 0);
    if (descriptor < 0) {
        return errno;
    }
    close(static_cast<int>(descriptor));
    return 0;
}

struct Attempt {
    const char* what;
    std::function<int()> error;
};

/// One line for each attempt whose error is another one than `wanted`.
std::string surprises(const std::vector<Attempt>& attempts, int wanted) {
    std::string text;
    for (const auto& [what, error] : attempts) {
        if (const int got = error(); got != wanted) {
            text += fmt::format("{}: {}\n", what, got == 0 ? "succeeds" : std::strerror(got));
        }
    }
    return text;
}

std::string after_denial(Network network, const std::function<std::string()>& body) {
    return in_child([&]() -> std::string {
        const Status denied = deny_system_calls(network);
        return denied ? body() : denied.error().line();
    });
}

/// With arguments that the kernel refuses with another error, or that do no harm.
std::vector<Attempt> forbidden() {
    const auto call = [](const char* what, long number) {
        return Attempt{what, [number] { return error_of(number, -1L, 0L, 0L, 0L, 0L); }};
    };
    return {
        {"execve", [] { return error_of(SYS_execve, "/nonexistent", nullptr, nullptr); }},
        {"execveat", [] { return error_of(SYS_execveat, -1, "nonexistent", nullptr, nullptr, 0); }},
        call("process_vm_readv", SYS_process_vm_readv),
        call("process_vm_writev", SYS_process_vm_writev),
        call("pidfd_getfd", SYS_pidfd_getfd),
        call("init_module", SYS_init_module),
        call("finit_module", SYS_finit_module),
        call("delete_module", SYS_delete_module),
        call("kexec_load", SYS_kexec_load),
        call("reboot", SYS_reboot),
        call("bpf", SYS_bpf),
        call("perf_event_open", SYS_perf_event_open),
        call("userfaultfd", SYS_userfaultfd),
        call("syslog", SYS_syslog),
        call("swapon", SYS_swapon),
        call("swapoff", SYS_swapoff),
        call("io_uring_setup", SYS_io_uring_setup),
        call("io_uring_enter", SYS_io_uring_enter),
        call("open_by_handle_at", SYS_open_by_handle_at),
        {"clock_settime", [] { return error_of(SYS_clock_settime, -1L, nullptr); }},
        {"keyctl", [] { return error_of(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0L); }},
        call("add_key", SYS_add_key),
        call("request_key", SYS_request_key),
        {"mount", [] { return error_of(SYS_mount, nullptr, "/nonexistent", nullptr, 0L, nullptr); }},
        {"umount2", [] { return error_of(SYS_umount2, "/nonexistent", 0L); }},
        {"chroot", [] { return error_of(SYS_chroot, "/nonexistent"); }},
        call("move_mount", SYS_move_mount),
        {"unshare", [] { return error_of(SYS_unshare, 0L); }},
        call("setns", SYS_setns),
        {"setuid", [] { return error_of(SYS_setuid, static_cast<long>(getuid())); }},
        {"setgid", [] { return error_of(SYS_setgid, static_cast<long>(getgid())); }},
        {"setresuid", [] { return error_of(SYS_setresuid, -1L, -1L, -1L); }},
        {"setgroups", [] { return error_of(SYS_setgroups, -1L, nullptr); }},
        {"capset", [] { return error_of(SYS_capset, nullptr, nullptr); }},
        {"TIOCSTI", [] { return error_of(SYS_ioctl, -1L, static_cast<long>(TIOCSTI), nullptr); }},
        {"TIOCSTI, disguised", [] { return error_of(SYS_ioctl, -1L, (1L << 32) | TIOCSTI, nullptr); }},
        {"TIOCLINUX", [] { return error_of(SYS_ioctl, -1L, static_cast<long>(TIOCLINUX), nullptr); }},
        {"clone of a namespace", [] { return error_of(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, 0L, 0L, 0L); }},
    };
}

TEST(SystemCallFilter, invariant_7_denies_what_no_token_needs) {
    EXPECT_EQ(after_denial(Network::denied, [] { return surprises(forbidden(), EPERM); }), "");
    EXPECT_EQ(after_denial(Network::allowed, [] { return surprises(forbidden(), EPERM); }), "");
}

TEST(SystemCallFilter, invariant_7_denies_tracing_and_being_dumpable_again) {
    if (sanitized) {
        GTEST_SKIP() << "LeakSanitizer traces its own process";
    }
    const std::vector<Attempt> tracing{
        {"ptrace", [] { return error_of(SYS_ptrace, -1L, -1L, 0L, 0L); }},
        {"PR_SET_DUMPABLE", [] { return error_of(SYS_prctl, static_cast<long>(PR_SET_DUMPABLE), 1L); }},
        {"PR_SET_DUMPABLE, disguised", [] { return error_of(SYS_prctl, (1L << 32) | PR_SET_DUMPABLE, 1L); }},
        {"PR_SET_PTRACER", [] { return error_of(SYS_prctl, static_cast<long>(PR_SET_PTRACER), 0L); }},
    };
    EXPECT_EQ(after_denial(Network::denied, [&] { return surprises(tracing, EPERM); }), "");
}

std::vector<Attempt> sockets(const std::vector<long>& families) {
    std::vector<Attempt> attempts;
    for (const long family : families) {
        const auto type = family == AF_NETLINK ? SOCK_RAW : SOCK_DGRAM;
        attempts.push_back({family == AF_INET    ? "AF_INET"
                            : family == AF_INET6 ? "AF_INET6"
                            : family == AF_UNIX  ? "AF_UNIX"
                                                 : "another family",
                            [family, type] { return error_of_socket(family, type); }});
    }
    return attempts;
}

TEST(SystemCallFilter, leaves_unix_sockets_only) {
    EXPECT_EQ(after_denial(Network::denied,
                           [] {
                               return surprises(sockets({AF_UNIX}), 0) +
                                      surprises(sockets({AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG,
                                                         AF_UNSPEC, (1L << 32) | AF_INET, (1L << 32) | AF_UNIX}),
                                                EAFNOSUPPORT);
                           }),
              "");
}

TEST(SystemCallFilter, leaves_the_internet_where_it_is_asked_for) {
    EXPECT_EQ(after_denial(Network::allowed,
                           [] {
                               return surprises(sockets({AF_UNIX, AF_INET, AF_NETLINK}), 0) +
                                      surprises(sockets({AF_PACKET, AF_VSOCK, AF_ALG, AF_UNSPEC}), EAFNOSUPPORT);
                           }),
              "");
}

/// What modules do all the time: files, memory with code, threads, children, the card daemon's socket.
std::string ordinary_work() {
    std::string text = surprises(
        {
            {"opening a file", [] { return error_of(SYS_close, open("/dev/null", O_RDWR | O_CLOEXEC)); }},
            {"memory with code",
             [] {
                 void* const page = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                 return page == MAP_FAILED ? errno : 0;
             }},
            {"a name for a thread", [] { return error_of(SYS_prctl, static_cast<long>(PR_SET_NAME), "vendor"); }},
            {"a socketpair",
             [] {
                 std::array<int, 2> ends{};
                 return socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0 ? 0 : errno;
             }},
        },
        0);
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    const pid_t child = fork();
    if (child == 0) {
        _exit(42);
    }
    int status = 0;
    const bool reaped = waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 42;
    return text + (ran ? "" : "no thread runs\n") + (reaped ? "" : "no child runs\n");
}

TEST(SystemCallFilter, leaves_ordinary_work) {
    EXPECT_EQ(after_denial(Network::denied, ordinary_work), "");
}

TEST(SystemCallFilter, holds_for_threads_that_ran_before_and_for_children) {
    EXPECT_EQ(in_child([]() -> std::string {
                  std::atomic<int> stage = 0;
                  int error = 0;
                  std::thread before([&] {
                      stage = 1;
                      stage.notify_all();
                      stage.wait(1);
                      error = error_of_socket(AF_INET);
                  });
                  stage.wait(0);
                  const Status denied = deny_system_calls(Network::denied);
                  stage = 2;
                  stage.notify_all();
                  before.join();
                  const pid_t child = fork();
                  if (child == 0) {
                      _exit(error_of_socket(AF_INET) == EAFNOSUPPORT ? 42 : 0);
                  }
                  int status = 0;
                  waitpid(child, &status, 0);
                  return fmt::format("{} {} {}", denied.has_value(), error == EAFNOSUPPORT, WEXITSTATUS(status));
              }),
              "true true 42");
}

TEST(SystemCallFilter, gives_no_new_privileges) {
    EXPECT_EQ(after_denial(Network::denied, [] { return std::to_string(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); }),
              "1");
}

TEST(SystemCallFilter, that_cannot_be_had_is_an_error) {
    const std::string said = in_child([]() -> std::string {
        if (!pretend_old_kernel()) {
            return "no filter to begin with";
        }
        const Status denied = deny_system_calls(Network::denied);
        return denied ? "denied" : denied.error().line();
    });
    EXPECT_THAT(said, HasSubstr("E-TOKEN-WORKER"));
    EXPECT_THAT(said, HasSubstr("so it loads no vendor code (seccomp: "));
    EXPECT_THAT(said, HasSubstr("CONFIG_SECCOMP_FILTER"));
}

}  // namespace
}  // namespace hwenroll::keystore
