// Where the control socket stands, and whose it is.
#include "agent/control/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/control/raw_client.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using control::Listener;
using testing::HasSubstr;

struct stat status_of(const std::filesystem::path& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
}

/// A socket that a process left behind: bound, and nobody listens.
void leave_socket(const std::filesystem::path& path) {
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

class ListenerTest : public testing::Test {
 protected:
    TemporaryDirectory directory_;
    const std::filesystem::path path_ = control::socket_path(directory_.path());
};

TEST_F(ListenerTest, is_for_the_group_if_there_is_one) {
    const auto listener = Listener::make(directory_.path(), "root");
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may give files to any group";
    }
    ASSERT_TRUE(listener) << listener.error().line();
    EXPECT_EQ(status_of(path_).st_mode, S_IFSOCK | 0660U);
    EXPECT_EQ(status_of(path_).st_gid, 0U);
    EXPECT_EQ(listener->group(), std::optional<gid_t>(0));
    EXPECT_EQ(listener->warning(), "");
}

TEST_F(ListenerTest, is_for_root_and_the_agent_only_without_the_group) {
    const auto listener = Listener::make(directory_.path(), "no-such-group-73914");
    ASSERT_TRUE(listener) << listener.error().line();
    EXPECT_EQ(status_of(path_).st_mode, S_IFSOCK | 0600U);
    EXPECT_FALSE(listener->group());
    EXPECT_THAT(listener->warning(), HasSubstr("'no-such-group-73914'"));
}

TEST_F(ListenerTest, has_its_mode_whatever_the_umask) {
    const mode_t before = ::umask(0);
    const auto listener = Listener::make(directory_.path(), "no-such-group-73914");
    ::umask(before);
    ASSERT_TRUE(listener);
    EXPECT_EQ(status_of(path_).st_mode, S_IFSOCK | 0600U);
}

TEST_F(ListenerTest, takes_the_place_of_a_dead_ones_socket) {
    leave_socket(path_);
    leave_socket(path_.string() + ".new");
    const auto listener = Listener::make(directory_.path(), "root");
    ASSERT_TRUE(listener) << listener.error().line();
    EXPECT_NO_THROW(RawClient{path_});
    EXPECT_FALSE(std::filesystem::exists(path_.string() + ".new"));
}

TEST_F(ListenerTest, leaves_a_living_ones_socket_alone) {
    const auto first = Listener::make(directory_.path(), "root");
    ASSERT_TRUE(first);
    const auto inode = status_of(path_).st_ino;
    const auto second = Listener::make(directory_.path(), "root");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::control_socket);
    EXPECT_THAT(second.error().line(), HasSubstr("another process listens there"));
    EXPECT_EQ(status_of(path_).st_ino, inode);
}

TEST_F(ListenerTest, leaves_what_is_no_socket_alone) {
    write_file(path_, "precious");
    const auto listener = Listener::make(directory_.path(), "root");
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code(), ErrorCode::control_socket);
    EXPECT_EQ(read_file(path_), "precious");
}

TEST_F(ListenerTest, follows_no_link) {
    write_file(directory_ / "target", "precious");
    std::filesystem::create_symlink(directory_ / "target", path_);
    EXPECT_FALSE(Listener::make(directory_.path(), "root"));
    EXPECT_EQ(read_file(directory_ / "target"), "precious");
}

TEST_F(ListenerTest, needs_a_directory_that_not_everybody_writes_to) {
    for (const auto& [bad, why] :
         {std::pair(directory_ / "missing", "No such file"), {directory_ / "file", "no directory"}}) {
        write_file(directory_ / "file", "");
        const auto listener = Listener::make(bad, "root");
        ASSERT_FALSE(listener);
        EXPECT_EQ(listener.error().code(), ErrorCode::control_socket);
        EXPECT_THAT(listener.error().line(), HasSubstr(why));
    }
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
    const auto open_to_all = Listener::make(directory_.path(), "root");
    ASSERT_FALSE(open_to_all);
    EXPECT_THAT(open_to_all.error().line(), HasSubstr("everybody may write"));
}

TEST_F(ListenerTest, says_so_when_its_path_is_too_long) {
    const auto listener = Listener::make(directory_.path() / std::string(108, 'x'), "root");
    ASSERT_FALSE(listener);
    EXPECT_THAT(listener.error().line(), HasSubstr("shorter 'runtime_dir'"));
}

TEST_F(ListenerTest, takes_its_name_with_it_but_not_anothers) {
    {
        const auto listener = Listener::make(directory_.path(), "root");
        ASSERT_TRUE(listener);
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
    {
        const auto listener = Listener::make(directory_.path(), "root");
        ASSERT_TRUE(listener);
        std::filesystem::remove(path_);
        leave_socket(path_);
    }
    EXPECT_TRUE(std::filesystem::exists(path_)) << "somebody else's by now";
}

}  // namespace
}  // namespace hwenroll::test
