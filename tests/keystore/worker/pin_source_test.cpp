// PIN sources: SEC (secrets), T9, invariant 7. Nothing that is refused is ever repeated in an error.
#include "keystore/pin_source.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "keystore/worker/secret_keeper.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::keystore {
namespace {

using namespace std::chrono_literals;
using test::write_file;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view canary = "canary-4711";

class PinFile : public testing::Test {
 protected:
    /// What reading the file as a file: source says.
    [[nodiscard]] Result<Pin> read() const { return PinSource::parse("file:" + path_.string())->read(1s); }

    void expect_refused(const std::string& why) const {
        const auto pin = read();
        ASSERT_FALSE(pin);
        EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
        EXPECT_THAT(pin.error().what(), HasSubstr(path_.string()));
        EXPECT_THAT(pin.error().why(), HasSubstr(why));
        EXPECT_THAT(pin.error().line(), Not(HasSubstr(std::string(canary))));
    }

    test::TemporaryDirectory directory_;
    std::filesystem::path path_ = directory_ / "pin";
};

TEST_F(PinFile, is_read_without_its_line_end) {
    for (const std::string end : {"", "\n", "\r\n"}) {
        write_file(path_, std::string(canary) + end, 0600);
        const auto pin = read();
        ASSERT_TRUE(pin) << pin.error().line();
        EXPECT_EQ(as_text(pin->value.reveal()), canary);
    }
}

TEST_F(PinFile, longest_is_255_octets) {
    write_file(path_, std::string(255, 'x') + "\r\n", 0400);
    const auto pin = read();
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(pin->value.size(), 255U);
    write_file(path_, std::string(256, 'x'), 0600);
    expect_refused("more than 255 octets");
    write_file(path_, std::string(100'000, 'x'), 0600);
    expect_refused("more than 255 octets");
}

TEST_F(PinFile, identity_is_that_of_the_file_that_was_read_and_changes_with_it) {
    write_file(path_, canary, 0600);
    const auto source = PinSource::parse("file:" + path_.string());
    const auto pin = read();
    ASSERT_TRUE(pin);
    ASSERT_TRUE(pin->identity);
    EXPECT_EQ(*source->identity(), pin->identity);
    struct stat file {};
    ASSERT_EQ(stat(path_.c_str(), &file), 0);
    EXPECT_EQ(pin->identity->inode, file.st_ino);
    EXPECT_EQ(pin->identity->size, canary.size());
    write_file(directory_ / "new", canary, 0600);
    std::filesystem::rename(directory_ / "new", path_);
    EXPECT_NE(*source->identity(), pin->identity);
}

TEST_F(PinFile, that_others_may_use_is_refused) {
    for (const unsigned mode : {0644U, 0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0777U}) {
        write_file(path_, canary, mode);
        expect_refused("lets others");
    }
}

TEST_F(PinFile, SEC_F8_of_another_user_is_read_by_root_only_where_that_user_keeps_the_state) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "needs root to give a file away";
    }
    constexpr uid_t agent = 65534;
    write_file(path_, canary, 0600);
    ASSERT_EQ(chown(path_.c_str(), agent, agent), 0);
    expect_refused("it belongs to user 65534");
    accept_secrets_of(agent + 1);
    EXPECT_FALSE(read());
    accept_secrets_of(agent);
    const auto pin = read();
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(as_text(pin->value.reveal()), canary);
    ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
    EXPECT_FALSE(read()) << "others may read it";
    accept_secrets_of(0);
}

TEST_F(PinFile, missing_empty_or_of_several_lines_is_refused) {
    expect_refused("No such file");
    for (const std::string text : {"", "\n", "\r\n"}) {
        write_file(path_, text, 0600);
        expect_refused("empty");
    }
    for (const std::string text : {"canary-4711\n\n", "canary-4711\nmore\n", "\ncanary-4711"}) {
        write_file(path_, text, 0600);
        expect_refused("more than one line");
    }
}

// Half of an old and half of a new PIN must not cost a try.
TEST_F(PinFile, T9_that_changes_while_it_is_read_is_refused) {
    write_file(path_, canary, 0600);
    std::atomic<bool> seen = false;
    std::thread writer([&] {
        const int file = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
        for (off_t size = 5; !seen; size = 16 - size) {
            EXPECT_EQ(ftruncate(file, size), 0);
            EXPECT_EQ(pwrite(file, canary.data(), static_cast<std::size_t>(size), 0), size);
        }
        close(file);
    });
    std::string why;
    for (const auto until = std::chrono::steady_clock::now() + 60s;
         !seen && std::chrono::steady_clock::now() < until;) {
        const auto pin = read();
        why = pin ? why : pin.error().why();
        seen = why == "it changed while it was read";
    }
    EXPECT_EQ(why, "it changed while it was read");
    seen = true;
    writer.join();
}

TEST_F(PinFile, that_is_no_regular_file_is_refused_without_waiting) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    expect_refused("no regular file");
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    expect_refused("no regular file");
    std::filesystem::remove(path_);
    write_file(directory_ / "real", canary, 0600);
    std::filesystem::create_symlink(directory_ / "real", path_);
    expect_refused("symbolic link");
}

TEST_F(PinFile, of_another_user_is_refused) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "only root can give a file away";
    }
    write_file(path_, canary, 0600);
    ASSERT_EQ(chown(path_.c_str(), 12345, 0), 0);
    expect_refused("belongs to user 12345");
}

/// Tests that set $CREDENTIALS_DIRECTORY, as systemd does for a service.
class Credential : public PinFile {
 protected:
    void SetUp() override { ASSERT_EQ(setenv("CREDENTIALS_DIRECTORY", directory_.path().c_str(), 1), 0); }
    void TearDown() override { unsetenv("CREDENTIALS_DIRECTORY"); }
};

TEST_F(Credential, may_be_readable_by_its_group_and_has_no_identity) {
    write_file(path_, canary, 0440);
    const auto pin = PinSource::parse("credential:pin")->read(1s);
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(as_text(pin->value.reveal()), canary);
    EXPECT_FALSE(pin->identity);
    EXPECT_TRUE(read()) << "the same file as a file: source";
    write_file(path_, canary, 0444);
    expect_refused("lets others");
}

// systemd makes the directory anew for each start, and a service has one for each login.
TEST_F(Credential, T9_invariant_6_named_as_a_file_has_no_identity_either) {
    write_file(path_, canary, 0440);
    const auto source = PinSource::parse("file:" + path_.string());
    const auto pin = source->read(1s);
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(as_text(pin->value.reveal()), canary);
    EXPECT_FALSE(pin->identity) << "another file under the same name would count as another PIN";
    EXPECT_EQ(source->identity().value(), std::nullopt);
}

TEST_F(Credential, outside_its_directory_has_no_privilege) {
    write_file(path_, canary, 0640);
    const std::string sibling = directory_.path().string() + "x";
    std::filesystem::create_directory(sibling);
    write_file(sibling + "/pin", canary, 0640);
    for (const std::string& path :
         {sibling + "/pin",
          directory_.path().string() + "/../" + std::filesystem::path(sibling).filename().string() + "/pin"}) {
        EXPECT_FALSE(PinSource::parse("file:" + path)->read(1s)) << path;
    }
    std::filesystem::remove_all(sibling);
}

// systemd passes on nothing that it could not open (systemd.exec(5), LoadCredentialEncrypted=).
TEST_F(Credential, P9_that_could_not_be_unsealed_is_told_with_the_command_that_seals_it_anew) {
    const auto pin = PinSource::parse("credential:lab.pin")->read(1s);
    ASSERT_FALSE(pin);
    EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
    EXPECT_THAT(pin.error().line(), HasSubstr("from the credential 'lab.pin'"));
    EXPECT_THAT(pin.error().line(), HasSubstr("systemd-creds encrypt --with-key=tpm2 --tpm2-pcrs=23 --name=lab.pin "));
    EXPECT_THAT(pin.error().line(), Not(HasSubstr(directory_.path().string())));
}

TEST(PinSource, credential_outside_a_service_says_so) {
    unsetenv("CREDENTIALS_DIRECTORY");
    const auto pin = PinSource::parse("credential:pin")->read(1s);
    ASSERT_FALSE(pin);
    EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
    EXPECT_THAT(pin.error().line(), HasSubstr("CREDENTIALS_DIRECTORY"));
}

TEST(PinSource, spelling_is_checked_and_never_repeated) {
    EXPECT_EQ(PinSource::parse("")->kind(), PinSource::Kind::none);
    EXPECT_EQ(PinSource::parse("file:/a")->kind(), PinSource::Kind::file);
    EXPECT_EQ(PinSource::parse("exec:/a b")->location(), "/a b");
    EXPECT_EQ(PinSource::parse("credential:lab.pin")->kind(), PinSource::Kind::credential);
    for (const std::string text : {"canary-4711", "file:canary-4711", "exec:canary-4711", "file:", "credential:",
                                   "credential:../canary-4711", "credential:..", "credential:a/canary-4711"}) {
        const auto source = PinSource::parse(text);
        ASSERT_FALSE(source) << text;
        EXPECT_EQ(source.error().code(), ErrorCode::config_value);
        EXPECT_THAT(source.error().line(), Not(HasSubstr("canary")));
    }
}

TEST(PinSource, without_a_source_reads_nothing) {
    const auto pin = PinSource::parse("")->read(1s);
    ASSERT_FALSE(pin);
    EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
}

/// exec: sources; each test writes its command as a shell script.
class PinCommand : public testing::Test {
 protected:
    [[nodiscard]] Result<Pin> read(const std::string& script, std::chrono::milliseconds deadline = 20s) const {
        write_file(path_, "#!/bin/sh\n" + script, 0700);
        return PinSource::parse("exec:" + path_.string())->read(deadline);
    }

    void expect_refused(const std::string& script, const std::string& why) const {
        const auto pin = read(script);
        ASSERT_FALSE(pin) << script;
        EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
        EXPECT_THAT(pin.error().what(), HasSubstr(path_.string()));
        EXPECT_THAT(pin.error().why(), HasSubstr(why));
        EXPECT_THAT(pin.error().line(), Not(HasSubstr("canary")));
    }

    test::TemporaryDirectory directory_;
    std::filesystem::path path_ = directory_ / "command";
};

TEST_F(PinCommand, gives_its_first_line) {
    for (const std::string script : {"echo canary-4711", "printf canary-4711", "printf 'canary-4711\\r\\nsecond\\n'",
                                     "echo canary-4711; seq 100000; echo noise >&2"}) {
        const auto pin = read(script);
        ASSERT_TRUE(pin) << script << ": " << pin.error().line();
        EXPECT_EQ(as_text(pin->value.reveal()), canary);
        EXPECT_FALSE(pin->identity);
    }
}

TEST_F(PinCommand, that_fails_gives_nothing) {
    expect_refused("echo canary-4711; exit 3", "exited with status 3");
    expect_refused("echo canary-4711; kill -TERM $$", "ended by SIGTERM");
    expect_refused("exit 0", "printed nothing");
    expect_refused("echo; echo canary-4711", "printed nothing");
    expect_refused("head -c 256 /dev/zero | tr '\\0' x", "more than 255 octets");
}

TEST_F(PinCommand, that_cannot_run_says_why) {
    write_file(path_, "#!/bin/sh\n", 0600);
    auto pin = PinSource::parse("exec:" + path_.string())->read(1s);
    ASSERT_FALSE(pin);
    EXPECT_THAT(pin.error().why(), HasSubstr("Permission denied"));
    pin = PinSource::parse("exec:" + (directory_ / "absent").string())->read(1s);
    ASSERT_FALSE(pin);
    EXPECT_THAT(pin.error().why(), HasSubstr("No such file"));
}

TEST_F(PinCommand, that_hangs_is_killed_with_what_it_started) {
    const auto begin = std::chrono::steady_clock::now();
    const auto pin = read("echo $$ > " + (directory_ / "pid").string() + "; sleep 1000 & sleep 1000", 300ms);
    ASSERT_FALSE(pin);
    EXPECT_EQ(pin.error().code(), ErrorCode::token_pin_source);
    EXPECT_THAT(pin.error().why(), HasSubstr("300 ms"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    const pid_t leader = std::stoi(test::read_file(directory_ / "pid"));
    EXPECT_NE(kill(leader, 0), 0) << "the command still runs";
}

TEST_F(PinCommand, that_leaves_a_process_with_its_output_open_is_not_waited_for) {
    const auto begin = std::chrono::steady_clock::now();
    const auto pin = read("echo canary-4711; sleep 8 &", 60s);
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(as_text(pin->value.reveal()), canary);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 6s);
}

TEST_F(PinCommand, inherits_neither_environment_nor_descriptors) {
    ASSERT_EQ(setenv("HWENROLL_TEST_MARK", "visible", 1), 0);
    const int inherited = memfd_create("canary-file", 0);
    const auto pin = read("echo \"mark=$HWENROLL_TEST_MARK,$(ls -l /proc/$$/fd | grep -c canary-file)\"");
    close(inherited);
    unsetenv("HWENROLL_TEST_MARK");
    ASSERT_TRUE(pin) << pin.error().line();
    EXPECT_EQ(as_text(pin->value.reveal()), "mark=,0");
}

}  // namespace
}  // namespace hwenroll::keystore
