#include "tests/agent/publish/storage_fault.h"

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/publish/file_names.h"
#include "agent/publish/publisher.h"
#include "tests/agent/publish/sample_generation.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::publish {
namespace {

namespace fs = std::filesystem;

/// Generations 1 to 3 are published and 4 comes, so that one is removed too.
class StorageFaultTest : public testing::Test {
 protected:
    StorageFaultTest() {
        const Publisher publisher(three_);
        for (std::uint64_t number = 1; number <= 3; ++number) {
            EXPECT_TRUE(publisher.publish(authority_.generation(number)));
        }
    }

    void start_anew() const {
        disarm();
        fs::remove_all(live_);
        fs::copy(three_, live_, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    }

    /// How often each call happens when generation 4 is published without a fault.
    std::map<std::string, int> count_calls() {
        start_anew();
        arm({});
        EXPECT_TRUE(publisher_.publish(next_));
        return disarm();
    }

    /// A consumer sees a complete generation; its number.
    std::uint64_t expect_consistent(const std::string& when) {
        try {
            const auto files = read_current_files(live_ / "web");
            EXPECT_EQ(inconsistency(files), "") << when;
            return number_of(files);
        } catch (const std::runtime_error& error) {
            ADD_FAILURE() << when << ": " << error.what();
            return 0;
        }
    }

    /// Without faults the next try ends as if nothing had happened.
    void expect_recovery(const std::string& when) {
        disarm();
        ASSERT_TRUE(publisher_.sweep()) << when;
        const Status again = publisher_.publish(next_);
        ASSERT_TRUE(again) << when << ": " << again.error().line();
        EXPECT_EQ(expect_consistent(when), 4U);
        std::size_t entries = 0;
        for (const auto& entry : fs::directory_iterator(live_ / "web")) {
            EXPECT_FALSE(is_temporary(entry.path().filename().string())) << when;
            ++entries;
        }
        EXPECT_EQ(entries, 4U) << when;  // three generations and the link
    }

    test::TemporaryDirectory directory_;
    fs::path three_ = directory_ / "three";
    fs::path live_ = directory_ / "live";
    Publisher publisher_{live_};
    SampleAuthority authority_;
    Generation next_ = authority_.generation(4);
};

// S3, S4, S10 and a full disk: each call that changes something fails once, at each place.
TEST_F(StorageFaultTest, S3_S4_each_failing_call_keeps_a_complete_generation) {
    const auto calls = count_calls();
    ASSERT_GT(calls.at("fsync"), 9);
    ASSERT_GE(calls.at("write"), 7);
    const std::map<std::string, int> errors{{"write", ENOSPC},    {"fsync", EIO},      {"fchmod", EPERM},
                                            {"mkdirat", EROFS},   {"renameat", EROFS}, {"renameat2", ENOSPC},
                                            {"symlinkat", ENOSPC}};
    for (const auto& [call, error] : errors) {
        // renameat2 also moves an old generation away, which is allowed to wait for the next time.
        const int failing = call == "renameat2" ? 1 : calls.at(call);
        for (int at = 1; at <= failing; ++at) {
            const std::string when = fmt::format("{} {}", call, at);
            start_anew();
            arm({call, at, FaultKind::error, error, {}});
            const Status done = publisher_.publish(next_);
            disarm();
            ASSERT_FALSE(done) << when;
            EXPECT_EQ(done.error().code(), ErrorCode::publish_write);
            EXPECT_EQ(done.error().why(), std::generic_category().message(error)) << when;
            EXPECT_NE(done.error().what().find(live_.string()), std::string::npos) << done.error().line();
            // Only the very last fsync comes after the switch.
            const bool switched = call == "fsync" && at == failing;
            EXPECT_EQ(expect_consistent(when), switched ? 4U : 3U) << when;
            expect_recovery(when);
        }
    }
}

// S3: what could not be synced is made again, not synced again.
TEST_F(StorageFaultTest, S3_a_generation_that_was_not_synced_is_discarded) {
    const auto calls = count_calls();
    for (int at = 1; at < calls.at("fsync"); ++at) {
        start_anew();
        arm({"fsync", at, FaultKind::error, EIO, {}});
        ASSERT_FALSE(publisher_.publish(next_)) << at;
        disarm();
        EXPECT_FALSE(fs::exists(live_ / "web" / "gen-004")) << at;
        EXPECT_FALSE(fs::exists(live_ / "web" / ".tmp-gen-004")) << at;
    }
}

// S3: the kernel forgets what it could not write, so that the next fsync alone would say that all is well.
TEST_F(StorageFaultTest, S3_a_switch_that_was_not_synced_is_made_again) {
    const int last = count_calls().at("fsync");
    start_anew();
    arm({"fsync", last, FaultKind::error, EIO, {}});
    ASSERT_FALSE(publisher_.publish(next_));
    EXPECT_EQ(expect_consistent("behind the switch"), 4U);
    arm({});
    ASSERT_TRUE(publisher_.publish(next_));
    auto again = disarm();
    EXPECT_EQ(again["renameat"], 1);
    ASSERT_GE(again["fsync"], 1);
    arm({"fsync", again["fsync"], FaultKind::error, EIO, {}});
    EXPECT_FALSE(publisher_.publish(next_)) << "as long as it is not durable";
    disarm();
}

// S6, S7, invariant 9: the process ends before each of its calls.
TEST_F(StorageFaultTest, S6_S7_a_crash_at_any_call_leaves_a_complete_generation_and_no_rest) {
    const auto calls = count_calls();
    int crashes = 0;
    for (const auto& [call, count] : calls) {
        for (int at = 1; at <= count; ++at) {
            const std::string when = fmt::format("crash before {} {}", call, at);
            start_anew();
            const pid_t child = fork();
            ASSERT_GE(child, 0);
            if (child == 0) {
                arm({call, at, FaultKind::crash, 0, {}});
                static_cast<void>(publisher_.publish(next_));
                _exit(0);
            }
            int status = 0;
            ASSERT_EQ(waitpid(child, &status, 0), child);
            ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == crash_exit_code) << when;
            const std::uint64_t number = expect_consistent(when);
            EXPECT_TRUE(number == 3 || number == 4) << when;
            expect_recovery(when);
            ++crashes;
        }
    }
    EXPECT_GT(crashes, 40);
}

TEST_F(StorageFaultTest, a_first_publication_survives_a_crash_at_any_call) {
    const Generation first = authority_.generation(1);
    fs::remove_all(live_);
    arm({});
    ASSERT_TRUE(publisher_.publish(first));
    const auto calls = disarm();
    for (const auto& [call, count] : calls) {
        for (int at = 1; at <= count; ++at) {
            fs::remove_all(live_);
            const pid_t child = fork();
            ASSERT_GE(child, 0);
            if (child == 0) {
                arm({call, at, FaultKind::crash, 0, {}});
                static_cast<void>(publisher_.publish(first));
                _exit(0);
            }
            ASSERT_EQ(waitpid(child, nullptr, 0), child);
            const Status again = publisher_.publish(first);
            ASSERT_TRUE(again) << again.error().line();
            EXPECT_EQ(expect_consistent(call), 1U);
            const auto mode = fs::status(live_ / "web").permissions();
            EXPECT_EQ(mode, fs::perms(0711)) << call << at;
        }
    }
}

TEST_F(StorageFaultTest, S5_short_and_interrupted_writes_are_continued) {
    arm({"write", 0, FaultKind::partial, 0, {}});
    const Status done = publisher_.publish(authority_.generation(1));
    const auto calls = disarm();
    ASSERT_TRUE(done) << done.error().line();
    EXPECT_GT(calls.at("write"), 1000);
    EXPECT_EQ(expect_consistent("short writes"), 1U);
}

TEST_F(StorageFaultTest, an_old_generation_that_cannot_be_removed_waits_for_the_next_time) {
    start_anew();
    arm({"unlinkat", 0, FaultKind::error, EACCES, {}});
    const Status done = publisher_.publish(next_);
    disarm();
    ASSERT_TRUE(done) << done.error().line();
    EXPECT_EQ(expect_consistent("removal fails"), 4U);
    expect_recovery("removal fails");
}

TEST_F(StorageFaultTest, S1_a_rehearsal_finds_a_full_disk_before_a_ca_is_asked) {
    start_anew();
    arm({"write", 1, FaultKind::error, ENOSPC, {}});
    const Status rehearsed = publisher_.rehearse("web");
    disarm();
    ASSERT_FALSE(rehearsed);
    EXPECT_EQ(rehearsed.error().why(), "No space left on device");
    EXPECT_EQ(expect_consistent("rehearsal"), 3U);
    EXPECT_TRUE(publisher_.rehearse("web"));
}

// Kernels without openat2 (before 5.6), seccomp filters that hide it, and file systems without RENAME_NOREPLACE.
TEST_F(StorageFaultTest, works_without_openat2_and_renameat2) {
    for (const int error : {ENOSYS, EPERM}) {
        start_anew();
        arm({"openat2", 0, FaultKind::error, error, {}});
        EXPECT_TRUE(publisher_.publish(next_));
        EXPECT_GT(disarm().at("openat2"), 0);
        EXPECT_EQ(expect_consistent("openat2"), 4U);
        fs::remove_all(live_ / "mail");
        fs::create_directory_symlink(directory_.path(), live_ / "mail");
        arm({"openat2", 0, FaultKind::error, error, {}});
        EXPECT_FALSE(publisher_.publish(authority_.generation(1, "mail")));
        disarm();
    }
    start_anew();
    arm({"renameat2", 0, FaultKind::error, EINVAL, {}});
    EXPECT_TRUE(publisher_.publish(next_));
    disarm();
    EXPECT_EQ(expect_consistent("renameat2"), 4U);
}

}  // namespace
}  // namespace hwenroll::publish
