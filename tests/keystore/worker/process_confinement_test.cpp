// Whom the token worker talks to.
#include "keystore/worker/process_confinement.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;

/// Both ends of a socketpair, closed with it.
struct SocketPair {
    explicit SocketPair(int type) { EXPECT_EQ(socketpair(AF_UNIX, type, 0, ends.data()), 0); }
    SocketPair(const SocketPair&) = delete;
    SocketPair& operator=(const SocketPair&) = delete;
    ~SocketPair() {
        close(ends[0]);
        close(ends[1]);
    }
    std::array<int, 2> ends{};
};

TEST(CheckConnection, accepts_our_own_agent_and_hides_the_socket_from_children) {
    const SocketPair pair(SOCK_SEQPACKET);
    const auto usable = check_connection(pair.ends[0], geteuid());
    EXPECT_TRUE(usable) << usable.error().line();
    EXPECT_EQ(fcntl(pair.ends[0], F_GETFD), FD_CLOEXEC);
}

TEST(CheckConnection, refuses_what_is_no_packet_socket) {
    const SocketPair stream(SOCK_STREAM);
    const int internet = socket(AF_INET, SOCK_STREAM, 0);
    for (const int descriptor : {stream.ends[0], internet, STDIN_FILENO, 999}) {
        const auto usable = check_connection(descriptor, geteuid());
        ASSERT_FALSE(usable);
        EXPECT_EQ(usable.error().code(), ErrorCode::token_worker);
    }
    close(internet);
}

TEST(CheckConnection, refuses_another_user) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "only root can be somebody else for a moment";
    }
    // SO_PEERCRED keeps who made the pair.
    ASSERT_EQ(seteuid(12345), 0);
    const SocketPair pair(SOCK_SEQPACKET);
    ASSERT_EQ(seteuid(0), 0);
    const auto usable = check_connection(pair.ends[0], geteuid());
    ASSERT_FALSE(usable);
    EXPECT_THAT(usable.error().line(), HasSubstr("user 12345"));
}

/// What confine_process() leaves behind, told by a child that it was called in.
struct Confined {
    bool done = false;
    int dumpable = -1;
    rlim_t core = 1;
    bool ignores_signals = false;
};

Confined confined_child() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
        Confined seen;
        seen.done = confine_process().has_value();
        seen.dumpable = prctl(PR_GET_DUMPABLE);
        rlimit core{};
        getrlimit(RLIMIT_CORE, &core);
        seen.core = core.rlim_max;
        seen.ignores_signals = true;
        for (const int number : {SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGABRT}) {
            seen.ignores_signals = seen.ignores_signals && std::signal(number, SIG_DFL) == SIG_IGN;
        }
        _exit(write(ends[1], &seen, sizeof seen) == sizeof seen ? 0 : 1);
    }
    Confined seen;
    close(ends[1]);
    EXPECT_EQ(read(ends[0], &seen, sizeof seen), static_cast<ssize_t>(sizeof seen));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return seen;
}

TEST(ConfineProcess, invariant_7_leaves_no_core_and_no_readable_memory) {
    const Confined seen = confined_child();
    EXPECT_TRUE(seen.done);
    EXPECT_EQ(seen.core, 0U);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_EQ(seen.dumpable, 0);
#endif
}

TEST(ConfineProcess, leaves_the_end_to_the_connection_and_the_deadline) {
    EXPECT_TRUE(confined_child().ignores_signals);
}

TEST(ConfineProcess, T2_abort_ends_it_all_the_same) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        static_cast<void>(confine_process());
        std::abort();
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

}  // namespace
}  // namespace hwenroll::keystore
