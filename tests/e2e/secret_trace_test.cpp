// Invariant 7: PIN and challenge are in no output, argument, environment, state or published file and in no bug report,
// over an enrollment, a renewal, a refused PIN and a refused challenge. What a core would hold is searched for by
// MemoryImage (memory_image_test.cpp).
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/e2e/secret_spellings.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Spellings, are_found_in_what_holds_them) {
    const std::string text = "xx" + std::string(canary_pin) + "yyy";
    bool found = false;
    for (const std::string& spelling : spellings(canary_pin)) {
        found = found || base64(text).find(spelling) != std::string::npos;
    }
    EXPECT_TRUE(found) << "base64 at an offset";
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

/// Reads arguments and environment of every process again and again.
class ProcessWatch {
 public:
    ProcessWatch() : thread_([this] { watch(); }) {}
    ProcessWatch(const ProcessWatch&) = delete;
    ProcessWatch& operator=(const ProcessWatch&) = delete;
    ~ProcessWatch() { end(); }

    void end() {
        ending_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    /// After end(): names of the programs that were seen, and where a secret was.
    [[nodiscard]] const std::set<std::string>& programs() const { return programs_; }
    [[nodiscard]] const std::set<std::string>& finds() const { return finds_; }

 private:
    void watch() {
        while (!ending_) {
            std::error_code gone;
            for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
                const std::string name = entry.path().filename().string();
                if (name.find_first_not_of("0123456789") == std::string::npos) {
                    look_at(entry.path());
                }
            }
        }
    }

    /// Other tests of this machine have the same secrets.
    static bool is_ours(std::filesystem::path process) {
        const std::string self = std::to_string(::getpid());
        for (int generations = 0; generations < 16; ++generations) {
            if (process.filename() == self) {
                return true;
            }
            const std::string status = content_of(process / "status");
            const std::size_t parent = status.find("\nPPid:\t");
            if (parent == std::string::npos) {
                return false;
            }
            process.replace_filename(status.substr(parent + 7, status.find('\n', parent + 1) - parent - 7));
        }
        return false;
    }

    void look_at(const std::filesystem::path& process) {
        if (process.filename() == std::to_string(::getpid()) || !is_ours(process)) {
            return;
        }
        const std::string arguments = content_of(process / "cmdline");
        const std::string all = arguments + content_of(process / "environ");
        const std::string program = arguments.substr(0, arguments.find('\0'));
        programs_.insert(program.substr(program.rfind('/') + 1));
        for (const std::string& secret : {std::string(canary_pin), std::string(canary_challenge)}) {
            if (all.find(secret) != std::string::npos) {
                finds_.insert(program);
            }
        }
    }

    std::atomic<bool> ending_ = false;
    std::set<std::string> programs_;
    std::set<std::string> finds_;
    std::thread thread_;
};

class SecretTrace : public testing::Test {
 protected:
    /// Every file of the world but the secrets' own.
    void expect_clean_files() const {
        int seen = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(world_.directory().path())) {
            const std::string name = entry.path().filename().string();
            if (entry.is_regular_file() && name != "lab.pin" && name != "corp.challenge" && name != "other.challenge" &&
                name != "other.pin") {
                expect_no_spelling(entry.path().string(), content_of(entry.path()));
                ++seen;
            }
        }
        EXPECT_GT(seen, 10) << "state, published files, configuration";
    }

    /// The report as it would be sent.
    [[nodiscard]] std::string report(const std::string& name) const {
        const auto path = world_.directory() / name;
        const RunResult made = world_.command({"bugreport", "--out", path.string()});
        EXPECT_EQ(made.exit_code, 0) << made.err;
        EXPECT_THAT(made.out, AllOf(HasSubstr(path.string()), HasSubstr("Look over")));
        expect_no_spelling("what it says", made.out + made.err);
        return content_of(path);
    }

    DaemonWorld world_{{}};
};

TEST_F(SecretTrace, invariant_7_no_pin_and_no_challenge_leaves_its_file_over_a_life_with_refusals) {
    ProcessWatch watch;
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    ASSERT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002"; });
    expect_no_spelling("a report", report("report-1.txt"));

    // Each other's secret: whatever is refused and told of is a canary too.
    ASSERT_EQ(world_.stop_daemon(), 0);
    const std::string told = world_.daemon().err();
    write_file(world_.directory() / "other.pin", canary_challenge, 0600);
    world_.configure({.pin = "file:" + (world_.directory() / "other.pin").string()});
    world_.start_daemon();
    world_.eventually("the daemon", [&] { return world_.listens(); });
    ASSERT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    world_.eventually("the refused PIN", [&] { return world_.said("E-TOKEN-PIN"); });
    expect_no_spelling("a report", report("report-2.txt"));

    ASSERT_EQ(world_.stop_daemon(), 0);
    expect_no_spelling("the daemon's output", told + world_.daemon().err());
    std::filesystem::remove_all(world_.directory() / "state");
    std::filesystem::remove_all(world_.directory() / "live");
    write_file(world_.directory() / "other.challenge", canary_pin, 0600);
    world_.configure({.challenge = "file:" + (world_.directory() / "other.challenge").string()});
    world_.start_daemon();
    world_.eventually("the refused challenge", [&] { return world_.word() == "HELD(rejected)"; });
    const std::string last = report("report-3.txt");
    expect_no_spelling("a report", last);
    EXPECT_THAT(last, HasSubstr("HELD(rejected)"));
    ASSERT_EQ(world_.stop_daemon(), 0);
    expect_no_spelling("the daemon's output", world_.daemon().err());
    watch.end();
    EXPECT_THAT(watch.programs(), AllOf(Contains("hwenrolld"), Contains("hwenroll-token"), Contains("hwenroll")));
    EXPECT_THAT(watch.finds(), IsEmpty());
    expect_clean_files();
}

class BugReport : public SecretTrace {};

TEST_F(BugReport, has_what_somebody_needs_who_is_to_help) {
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    const std::string text = report("report.txt");
    for (const char* const section : {"versions", "configuration in force on disk", "status", "history, newest first",
                                      "doctor", "units", "journal, newest last", "files"}) {
        EXPECT_THAT(text, HasSubstr("==== " + std::string(section) + " ====\n"));
    }
    EXPECT_THAT(text,
                AllOf(HasSubstr("hwenroll 0."), HasSubstr("OpenSSL 3."), HasSubstr("libcrypto"),
                      HasSubstr("[identity.web]"), HasSubstr("\"state\": \"OK\""), HasSubstr("generation 1 published"),
                      HasSubstr("the agent is logged in to it"), HasSubstr("state.db"), HasSubstr("-> gen-001")))
        << text;
    struct stat status {};
    ASSERT_EQ(::stat((world_.directory() / "report.txt").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(BugReport, invariant_7_leaves_out_what_an_operator_wrote_where_no_secret_belongs) {
    const std::string encoded = "canary%2Dpin%2D73914682";
    world_.configure({.uri = "pkcs11:token=lab?pin-value=" + encoded,
                      .ca_extra = "proxy = \"http://me:" + std::string(canary_challenge) + "@127.0.0.1:9\"\n"});
    expect_no_spelling("a report on refused sections", report("report-1.txt"));
    world_.configure(
        {.ca_extra = "txid = \"fixed:" + std::string(canary_challenge) + "\"\n",
         .identity_extra = "on_change = [[\"/bin/true\", \"pkcs11:token=lab?pin-value=" + encoded + "\"]]\n"});
    EXPECT_EQ(world_.command({"check-config"}).exit_code, 0);
    const std::string text = report("report-2.txt");
    expect_no_spelling("a report on a good configuration", text);
    EXPECT_THAT(text, AllOf(HasSubstr("fixed:(left out)"), HasSubstr("?pin-value=(left out)")));
}

TEST_F(BugReport, invariant_7_leaves_out_the_blob_of_a_key_that_its_token_has_wrapped) {
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    // As a TPM's key.pem is published: what the report lists is the name, never the content.
    write_file(world_.live() / "key.pem",
               "-----BEGIN TSS2 PRIVATE KEY-----\nMIICanaryBlob\n-----END TSS2 PRIVATE KEY-----\n");
    const std::string text = report("report.txt");
    EXPECT_THAT(text, AllOf(HasSubstr("key.pem"), Not(HasSubstr("MIICanaryBlob")), Not(HasSubstr("TSS2"))));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

/// In a mount namespace of its own, in which there is a journal, and another journalctl to ask about it.
TEST_F(BugReport, invariant_7_leaves_out_a_private_key_that_a_hook_has_printed_into_the_journal) {
    if (::geteuid() != 0 || run({"unshare", "-m", "true"}).exit_code != 0) {
        GTEST_SKIP() << "no mount namespace can be made here";
    }
    const auto fake = world_.directory() / "journalctl";
    write_file(
        fake,
        "#!/bin/sh\nlines() {\nfor line in MIICanaryUpToHer '-----END PRIVATE KEY-----' '-----BEGIN PRIVATE "
        "KEY-----' MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCcanaryone1234 canaryTwo12= "
        "'-----END PRIVATE KEY-----' 'the hook has ended'; do\necho \"2026-11-26T20:00:00+0000 host "
        "hwenroll-hook[7]: $line\"\ndone\n}\ncase \" $* \" in *' --reverse '*) lines | tac ;; *) lines ;; esac\n",
        0755);
    const auto out = world_.directory() / "report.txt";
    const RunResult made = run(
        {"unshare", "-m", "sh", "-euc",
         "mount --make-rprivate /; mount -t tmpfs none /run/systemd; mkdir /run/systemd/journal; "
         "mount --bind \"$0\" /usr/bin/journalctl; exec \"$@\"",
         fake.string(), program("hwenroll"), "bugreport", "--out", out.string(), "--config", world_.config().string()});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string text = content_of(out);
    EXPECT_THAT(text, AllOf(HasSubstr("hwenroll-hook[7]: (left out)"), HasSubstr("the hook has ended"),
                            HasSubstr("==== files ====\n" + world_.directory().path().string()),
                            Not(HasSubstr("MIICanary")), Not(HasSubstr("canaryone")), Not(HasSubstr("canaryTwo"))))
        << text;
}

TEST_F(BugReport, S12_never_replaces_a_file_and_follows_no_link) {
    const auto path = world_.directory() / "report.txt";
    write_file(path, "mine");
    const RunResult there = world_.command({"bugreport", "--out", path.string()});
    EXPECT_EQ(there.exit_code, 73);
    EXPECT_THAT(there.err, HasSubstr("is there already"));
    EXPECT_EQ(content_of(path), "mine");
    std::filesystem::create_symlink(world_.directory() / "victim", world_.directory() / "link.txt");
    EXPECT_EQ(world_.command({"bugreport", "--out", (world_.directory() / "link.txt").string()}).exit_code, 73);
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "victim"));
}

TEST_F(BugReport, F1_is_made_beside_a_configuration_that_cannot_be_read) {
    write_file(world_.config(), "[agent\n");
    const std::string text = report("report.txt");
    EXPECT_THAT(text, AllOf(HasSubstr("E-CONFIG-SYNTAX"), HasSubstr("==== doctor ====")));
}

}  // namespace
}  // namespace hwenroll::test
