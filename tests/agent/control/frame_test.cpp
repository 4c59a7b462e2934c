// Varlink's framing, at every cut.
#include "agent/control/frame.h"

#include <gtest/gtest.h>

namespace hwenroll::control {
namespace {

using namespace std::string_literals;

std::vector<std::string> frames_of(FrameReader& reader) {
    std::vector<std::string> frames;
    while (auto frame = reader.next().value_or(std::nullopt)) {
        frames.push_back(*frame);
    }
    return frames;
}

TEST(Frame, is_the_same_wherever_the_stream_is_cut) {
    const std::string stream = "{\"a\":1}\0{}\0\0last\0"s;
    const std::vector<std::string> whole{"{\"a\":1}", "{}", "", "last"};
    for (std::size_t first = 0; first <= stream.size(); ++first) {
        for (std::size_t second = first; second <= stream.size(); ++second) {
            FrameReader reader(100);
            std::vector<std::string> frames;
            for (const auto& part :
                 {stream.substr(0, first), stream.substr(first, second - first), stream.substr(second)}) {
                reader.append(part);
                for (std::string& frame : frames_of(reader)) {
                    frames.push_back(std::move(frame));
                }
            }
            EXPECT_EQ(frames, whole) << first << " " << second;
            EXPECT_FALSE(reader.incomplete());
        }
    }
}

TEST(Frame, two_in_one_read_are_two) {
    FrameReader reader(100);
    reader.append("one\0two\0thr"s);
    EXPECT_TRUE(reader.ready());
    EXPECT_FALSE(reader.incomplete());
    EXPECT_EQ(frames_of(reader), (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(reader.incomplete());
    EXPECT_FALSE(reader.ready());
    reader.append("ee\0"s);
    EXPECT_EQ(frames_of(reader), std::vector<std::string>{"three"});
}

TEST(Frame, what_came_while_frames_were_waiting_is_kept_in_order) {
    FrameReader reader(100);
    reader.append("one\0two\0"s);
    EXPECT_EQ(reader.next()->value(), "one");
    reader.append("three\0"s);
    EXPECT_EQ(frames_of(reader), (std::vector<std::string>{"two", "three"}));
}

TEST(Frame, of_the_limit_is_whole_and_of_one_octet_more_is_an_error) {
    FrameReader reader(4);
    reader.append("1234\0"s);
    EXPECT_EQ(reader.next()->value(), "1234");
    reader.append("12345"s);
    EXPECT_TRUE(reader.ready());
    const auto unfinished = reader.next();
    ASSERT_FALSE(unfinished);
    EXPECT_EQ(unfinished.error().code(), ErrorCode::control_protocol);
    reader.append("\0ok\0"s);
    EXPECT_FALSE(reader.next()) << "nothing follows an oversized frame";
}

TEST(Frame, an_oversized_one_behind_a_good_one_is_found) {
    FrameReader reader(4);
    reader.append("ok\00012345\0"s);
    EXPECT_EQ(reader.next()->value(), "ok");
    EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace hwenroll::control
