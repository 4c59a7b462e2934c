// Whom the token worker talks to.
#include "keystore/worker/process_confinement.h"

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
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
    const auto usable = check_connection(pair.ends[0]);
    EXPECT_TRUE(usable) << usable.error().line();
    EXPECT_EQ(fcntl(pair.ends[0], F_GETFD), FD_CLOEXEC);
}

TEST(CheckConnection, refuses_what_is_no_packet_socket) {
    const SocketPair stream(SOCK_STREAM);
    const int internet = socket(AF_INET, SOCK_STREAM, 0);
    for (const int descriptor : {stream.ends[0], internet, STDIN_FILENO, 999}) {
        const auto usable = check_connection(descriptor);
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
    const auto usable = check_connection(pair.ends[0]);
    ASSERT_FALSE(usable);
    EXPECT_THAT(usable.error().line(), HasSubstr("user 12345"));
}

}  // namespace
}  // namespace hwenroll::keystore
