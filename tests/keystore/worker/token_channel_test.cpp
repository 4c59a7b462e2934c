// Whole messages over a packet socket: order, limits and a peer that sends nonsense.
#include "keystore/worker/token_channel.h"

#include <array>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "keystore/worker/token_protocol.h"

namespace hwenroll::keystore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class TokenChannel : public testing::Test {
 protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
        near_ = FileDescriptor(ends[0]);
        far_ = FileDescriptor(ends[1]);
    }

    /// Sends one packet as it is.
    void send_raw(const Bytes& packet) const {
        ASSERT_EQ(send(far_.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
    }

    [[nodiscard]] Received receive(milliseconds limit = milliseconds(5000)) const {
        return receive_message(near_.get(), steady_clock::now() + limit);
    }

    FileDescriptor near_;
    FileDescriptor far_;
};

TEST_F(TokenChannel, carries_messages_of_every_size_around_its_packets) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{32767}, std::size_t{32768}, std::size_t{32769},
                                   std::size_t{100'000}, max_message_size}) {
        Bytes message(size);
        for (std::size_t i = 0; i < size; ++i) {
            message[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
        }
        std::thread sender([&] {
            EXPECT_EQ(send_message(far_.get(), message, steady_clock::now() + milliseconds(20000)), Transfer::done);
        });
        const Received got = receive(milliseconds(20000));
        sender.join();
        ASSERT_EQ(got.transfer, Transfer::done) << size;
        EXPECT_TRUE(equal(got.message.reveal(), message)) << size;
    }
}

TEST_F(TokenChannel, refuses_to_send_nothing_or_too_much) {
    const Bytes message(max_message_size + 1);
    EXPECT_EQ(send_message(far_.get(), message, steady_clock::now()), Transfer::malformed);
    EXPECT_EQ(send_message(far_.get(), {}, steady_clock::now()), Transfer::malformed);
}

TEST_F(TokenChannel, ends_at_its_deadline) {
    EXPECT_EQ(receive(milliseconds(20)).transfer, Transfer::timed_out);
    send_raw({0, 0, 0, 2, 0, 0, 0, 0, 'x'});  // half a message
    EXPECT_EQ(receive(milliseconds(20)).transfer, Transfer::timed_out);
    const Bytes big(max_message_size);
    EXPECT_EQ(send_message(far_.get(), big, steady_clock::now() + milliseconds(20)), Transfer::timed_out);
}

TEST_F(TokenChannel, sees_that_its_peer_is_gone) {
    far_.reset();
    EXPECT_EQ(receive().transfer, Transfer::closed);
    EXPECT_EQ(send_message(near_.get(), as_bytes("x"), steady_clock::now()), Transfer::closed);
}

TEST_F(TokenChannel, refuses_packets_that_make_no_message) {
    const std::array<std::vector<Bytes>, 7> all{{
        {{0}},                                                           // no head
        {{0, 0, 0, 1, 0, 0, 0, 0}},                                      // no content
        {{0, 0, 0, 1, 0, 0, 0, 0, 'x', 'y'}},                            // more than announced
        {{0, 0, 0, 2, 0, 0, 0, 1, 'x'}},                                 // does not begin at 0
        {{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 'x'}},                     // over the limit
        {{0, 0, 0, 2, 0, 0, 0, 0, 'x'}, {0, 0, 0, 3, 0, 0, 0, 1, 'y'}},  // another size
        {{0, 0, 0, 3, 0, 0, 0, 0, 'x'}, {0, 0, 0, 3, 0, 0, 0, 2, 'y'}},  // a gap
    }};
    for (const auto& packets : all) {
        SetUp();
        for (const auto& packet : packets) {
            send_raw(packet);
        }
        EXPECT_EQ(receive().transfer, Transfer::malformed);
    }
    send_raw(Bytes(40'000, 0));
    EXPECT_EQ(receive().transfer, Transfer::malformed);
}

TEST_F(TokenChannel, refuses_descriptors) {
    Bytes content{0, 0, 0, 1, 0, 0, 0, 0, 'x'};
    iovec part{content.data(), content.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* passed = CMSG_FIRSTHDR(&packet);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    *reinterpret_cast<int*>(CMSG_DATA(passed)) = STDERR_FILENO;
    ASSERT_GT(sendmsg(far_.get(), &packet, 0), 0);
    EXPECT_EQ(receive().transfer, Transfer::malformed);
}

}  // namespace
}  // namespace hwenroll::keystore
