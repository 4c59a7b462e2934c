// What the machine does to a running agent: frozen processes, killed workers, full disks, no descriptors, a loop that
// hangs (rows K, S, X of the fault catalogue).
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_descriptor.h"
#include "tests/e2e/daemon_world.h"
#include "tests/support/process_tree.h"
#include "tests/support/software_tpm.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

std::vector<std::string> lives(int days, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--lifetime", std::to_string(days * 86400L), "--backdate", "0"});
    return more;
}

std::size_t descriptors_of(pid_t process) {
    const auto folder = std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

/// The hundredths of seconds that a process has computed for.
long worked(pid_t process) {
    std::ifstream in("/proc/" + std::to_string(process) + "/stat");
    std::string field;
    long user = 0;
    long system = 0;
    for (int i = 1; i < 14; ++i) {
        in >> field;
    }
    in >> user >> system;
    return user + system;
}

TEST(MachineFault, K4_K5_a_frozen_agent_does_what_has_become_due_once_it_thaws) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.signal(SIGSTOP);
    world.go_to_day(91);
    world.signal(SIGCONT);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002" && world.word() == "OK"; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(MachineFault, K9_what_is_shown_and_published_is_the_same_in_every_time_zone) {
    DaemonWorld world(lives(120));
    world.start_daemon({"TZ=America/New_York"});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const auto shown = [&](const char* zone) {
        return run({program("hwenroll"), "status", "web", "--config", world.config().string()},
                   {{std::string("TZ=") + zone, "HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}})
            .out;
    };
    EXPECT_THAT(shown("UTC0"), HasSubstr("2030-05-01T00:00:0"));
    EXPECT_EQ(shown("UTC0"), shown("XYZ-13"));
    EXPECT_EQ(shown("UTC0"), shown("EST5EDT,M3.2.0,M11.1.0"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(MachineFault, S15_a_killed_agent_leaves_no_lock_though_its_worker_hangs) {
    DaemonWorld world(lives(120));
    world.configure({.module = module("libhwenroll-pkcs11-shim.so")});
    const std::string log = (world.directory() / "shim.log").string();
    world.start_daemon(
        {"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log, "HWENROLL_SHIM_RULE=C_Sign:*:hang"});
    world.eventually("the hang", [&] {
        return std::filesystem::exists(log) && read_file(log).find("C_Sign\n") != std::string::npos;
    });
    world.signal(SIGKILL);
    ASSERT_TRUE(world.daemon().wait(std::chrono::seconds(10)));
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.objects("Private Key Object"), 1);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(MachineFault, X15_a_worker_that_the_kernel_kills_for_its_memory_is_replaced) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::vector<pid_t> workers = children_of(world.daemon().pid());
    ASSERT_EQ(workers.size(), 1U);
    ASSERT_EQ(::kill(workers.front(), SIGKILL), 0);
    world.go_to_day(91);
    world.eventually("the renewal", [&] {
        world.advance(Seconds(30));  // its end may be noticed by the use that it costs
        return world.generation() == "gen-002" && world.word() == "OK";
    });
    EXPECT_NE(children_of(world.daemon().pid()), workers);
    EXPECT_EQ(world.stop_daemon(), 0) << "the agent itself lived on";
}

/// Lets a process open one descriptor beyond those that it has, which it needs to read the test's clock.
class NoDescriptors {
 public:
    explicit NoDescriptors(pid_t process) : process_(process) {
        ::prlimit(process_, RLIMIT_NOFILE, nullptr, &before_);
        const rlimit none{descriptors_of(process_) + 1, before_.rlim_max};
        EXPECT_EQ(::prlimit(process_, RLIMIT_NOFILE, &none, nullptr), 0);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() { ::prlimit(process_, RLIMIT_NOFILE, &before_, nullptr); }

 private:
    pid_t process_;
    rlimit before_{};
};

TEST(MachineFault, X16_without_descriptors_it_waits_without_spinning_and_recovers) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const pid_t daemon = world.daemon().pid();
    {
        const NoDescriptors limit(daemon);
        world.go_to_day(91);
        world.eventually("a failure", [&] { return world.said("E-PUBLISH-"); });
        // Somebody who waits to be let in must not turn the loop.
        const FileDescriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = (world.directory() / "run" / "control").string();
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        const long before = worked(daemon);
        pollfd readable{client.get(), POLLIN, 0};
        ::poll(&readable, 1, 2000);
        EXPECT_LT(worked(daemon) - before, 100) << "hundredths of seconds in two seconds";
    }
    world.go_to_day(91.3);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002" && world.word() == "OK"; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_FALSE(world.said("changed by somebody else"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// A file system of 1 MiB at `place`, in a mount namespace that this process enters; false where the kernel does not
/// allow it.
bool mount_small(const std::filesystem::path& place) {
    std::filesystem::create_directories(place);
    return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=1m,mode=0711") == 0;
}

/// Takes what space there is until it ends.
class Filler {
 public:
    explicit Filler(const std::filesystem::path& folder) : path_(folder / "filler") {
        const FileDescriptor file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        const std::string block(4096, 'x');
        while (::write(file.get(), block.data(), block.size()) > 0) {
        }
    }
    Filler(const Filler&) = delete;
    Filler& operator=(const Filler&) = delete;
    ~Filler() { std::filesystem::remove(path_); }

 private:
    std::filesystem::path path_;
};

// The database has its own test (FullDisk): what it has allocated may be enough for the certificate.
TEST(MachineFault, S2_no_room_for_the_files_of_an_issued_certificate_costs_no_second_one) {
    DaemonWorld world(lives(120, {"--fault", "PKCSReq:1:delay-1500"}));
    const std::filesystem::path place = world.directory() / "live";
    if (!mount_small(place)) {
        GTEST_SKIP() << "no mount namespace here";
    }
    world.start_daemon();
    world.eventually("the issue", [&] { return world.issued().size() == 1; });
    {
        const Filler filler(place);
        world.eventually("the complaint", [&] { return world.said("E-PUBLISH-WRITE web: "); });
    }
    world.go_to_day(0.5);
    world.eventually("the certificate", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.objects("Private Key Object"), 1);
    EXPECT_EQ(world.stop_daemon(), 0);
    ::umount2(place.c_str(), MNT_DETACH);
}

TEST(MachineFault, S16_O12_a_copied_state_is_held_until_an_operator_says_that_it_belongs_here) {
    DaemonWorld world(lives(120));
    world.start_daemon({"HWENROLL_MACHINE=first"});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const std::size_t asked = world.requests().size();
    world.go_to_day(91);

    world.start_daemon({"HWENROLL_MACHINE=copy"});
    world.eventually("the hold", [&] { return world.word() == "HELD(machine)"; });
    EXPECT_TRUE(world.said("E-STATE-MACHINE"));
    const RunResult renewed = world.command({"renew", "web"});
    EXPECT_EQ(renewed.exit_code, 75);
    EXPECT_THAT(renewed.err, HasSubstr("E-STATE-MACHINE"));
    EXPECT_THAT(children_of(world.daemon().pid()), testing::IsEmpty()) << "no token is touched";
    EXPECT_EQ(world.requests().size(), asked) << "no CA is asked";
    const std::size_t told = world.times_said("E-STATE-MACHINE");
    world.go_to_day(92.5);
    world.eventually("a reminder", [&] { return world.times_said("E-STATE-MACHINE") == told + 1; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const RunResult once =
        world.once({{"HWENROLL_MACHINE=copy", "HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}});
    EXPECT_EQ(once.exit_code, 75);
    EXPECT_THAT(once.err, HasSubstr("E-STATE-MACHINE"));

    world.start_daemon({"HWENROLL_MACHINE=copy"});
    world.eventually("the hold", [&] { return world.word() == "HELD(machine)"; });
    EXPECT_EQ(world.command({"resume", "web"}).exit_code, 0);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    world.start_daemon({"HWENROLL_MACHINE=copy"});
    world.eventually("a start like any other", [&] { return world.listens() && world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(MachineFault, S16_without_an_agent_resume_takes_a_copied_state_over) {
    DaemonWorld world(lives(120));
    const std::string clock = "HWENROLL_CLOCK_FILE=" + world.clock_path().string();
    EXPECT_EQ(world.once({{"HWENROLL_MACHINE=first", clock}, {}, {}}).exit_code, 0);
    EXPECT_EQ(world.once({{"HWENROLL_MACHINE=copy", clock}, {}, {}}).exit_code, 75);
    const RunResult resumed = run({program("hwenroll"), "resume", "web", "--config", world.config().string()},
                                  {{"HWENROLL_MACHINE=copy", clock}, {}, {}});
    EXPECT_EQ(resumed.exit_code, 0);
    EXPECT_THAT(resumed.out, HasSubstr("web: released"));
    EXPECT_EQ(world.once({{"HWENROLL_MACHINE=copy", clock}, {}, {}}).exit_code, 0);
}

TEST(MachineFault, X18_after_five_fast_crashes_it_answers_and_touches_no_token_until_it_is_told_to) {
    DaemonWorld world(lives(120));
    const auto crash = [&] {
        world.start_daemon();
        world.eventually("a start", [&] { return world.listens() && world.word() == "OK"; });
        world.signal(SIGKILL);
        ASSERT_TRUE(world.daemon().wait(std::chrono::seconds(10)));
    };
    for (int i = 0; i < 5; ++i) {
        crash();
    }
    world.go_to_day(91);
    world.start_daemon();
    world.eventually("the rest", [&] { return world.word() == "HELD(crashes)"; });
    EXPECT_TRUE(world.said("E-AGENT-CRASHES")) << "an alert";
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 75);
    EXPECT_THAT(children_of(world.daemon().pid()), testing::IsEmpty());
    EXPECT_EQ(world.issued().size(), 1U);
    const std::size_t before = world.times_said("E-AGENT-CRASHES");  // the audit of the refused command among them
    world.go_to_day(92.5);
    world.eventually("a reminder", [&] { return world.times_said("E-AGENT-CRASHES") > before; });
    world.reload();
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_EQ(world.stop_daemon(), 0) << "an end in order, so the count begins anew";
    crash();
    world.start_daemon();
    world.eventually("a start like any other", [&] { return world.listens() && world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// What a service manager would hear.
class NotifySocket {
 public:
    explicit NotifySocket(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }

    /// Takes what is there; true if the watchdog was among it.
    [[nodiscard]] bool fed() const {
        bool found = false;
        char text[4096];
        for (ssize_t got = 0; (got = ::recv(socket_.get(), text, sizeof text, 0)) >= 0;) {
            found = found || std::string_view(text, static_cast<std::size_t>(got)) == "WATCHDOG=1";
        }
        return found;
    }

    /// Waits for anything at most that long.
    [[nodiscard]] bool silent_for(std::chrono::milliseconds time) const {
        pollfd readable{socket_.get(), POLLIN, 0};
        return ::poll(&readable, 1, static_cast<int>(time.count())) == 0;
    }

 private:
    FileDescriptor socket_;
};

TEST(MachineFault, X17_the_watchdog_is_fed_while_a_token_hangs_and_not_while_the_scheduler_does) {
    DaemonWorld world(lives(120));
    world.configure({.module = module("libhwenroll-pkcs11-shim.so"), .token_extra = "deadline_use = \"60s\"\n"});
    const std::string log = (world.directory() / "shim.log").string();
    const std::filesystem::path notify = world.directory() / "notify";
    const NotifySocket manager(notify);
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log,
                        "HWENROLL_SHIM_RULE=C_Sign:*:hang", "NOTIFY_SOCKET=" + notify.string(),
                        "WATCHDOG_USEC=300000"});
    world.eventually("the hang of the token", [&] {
        static_cast<void>(manager.fed());  // whom nobody hears waits
        return std::filesystem::exists(log) && read_file(log).find("C_Sign\n") != std::string::npos;
    });
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(manager.fed());
        world.eventually("a sign of life", [&] { return manager.fed(); });
    }
    // Whoever looks at the clock now waits until this test writes to the FIFO.
    const std::string fifo = (world.directory() / "fifo").string();
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    std::filesystem::rename(fifo, world.clock_path());
    FileDescriptor writer;
    world.eventually("the hang of the loop", [&] {
        writer = FileDescriptor(::open(world.clock_path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        return writer.valid();
    });
    static_cast<void>(manager.fed());
    EXPECT_TRUE(manager.silent_for(std::chrono::milliseconds(1500))) << "fed by a loop that hangs";
    world.go_to_day(0.1);
    writer = FileDescriptor();
    world.eventually("a sign of life", [&] { return manager.fed(); });
    EXPECT_EQ(world.stop_daemon(), 0);
}

// P13: making an RSA key takes some TPMs minutes, here as long as this test needs to look.
TEST(MachineFault, P13_while_a_tpm_makes_a_key_the_watchdog_is_fed_and_commands_are_answered) {
    const SoftwareTpm tpm;
    DaemonWorld world(lives(120));
    // The configuration takes a TCTI by its name alone; the loader finds it in LD_LIBRARY_PATH.
    std::filesystem::copy_file(module("libhwenroll-tcti-shim.so"), world.directory() / "libtss2-tcti-slow.so.0");
    world.configure({.token = "type = \"tpm2\"\ntcti = \"slow:" + tpm.tcti() + "\"\nnetwork = true\n"});
    const std::filesystem::path notify = world.directory() / "notify";
    const NotifySocket manager(notify);
    const std::string log = (world.directory() / "tcti.log").string();
    world.start_daemon({"LD_LIBRARY_PATH=" + world.directory().path().string(), "HWENROLL_TCTI_LOG=" + log,
                        "HWENROLL_TCTI_DELAY=153=4000", "NOTIFY_SOCKET=" + notify.string(), "WATCHDOG_USEC=300000"});
    world.eventually("TPM2_Create", [&] {
        static_cast<void>(manager.fed());
        return std::filesystem::exists(log) && read_file(log).find("153\n") != std::string::npos;
    });
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(manager.fed());
        world.eventually("a sign of life", [&] { return manager.fed(); });
        EXPECT_EQ(world.word(), "KEYGEN") << "the key was made meanwhile, or the answer came late";
    }
    world.eventually("the enrollment", [&] {
        static_cast<void>(manager.fed());
        return world.word() == "OK";
    });
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// A journal that this test is, in a mount namespace of its own; not valid where the kernel does not allow it.
FileDescriptor stand_in_for_the_journal() {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") != 0) {
        return {};
    }
    std::filesystem::create_directories("/run/systemd/journal");
    FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{AF_UNIX, "/run/systemd/journal/socket"};
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
}

TEST(MachineFault, invariant_11_an_alert_is_a_journal_record_of_priority_err_with_its_message_id) {
    DaemonWorld world({});
    world.configure({.identity_extra = "nonsense = 1\n"});
    const FileDescriptor journal = stand_in_for_the_journal();
    if (!journal.valid()) {
        GTEST_SKIP() << "no mount namespace here";
    }
    // As systemd does it: stderr is the stream that JOURNAL_STREAM names.
    const ChildProcess daemon({"sh", "-c",
                               "export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); exec " + program("hwenrolld") +
                                   " --config " + world.config().string()},
                              {{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}});
    std::string record;
    while (record.find("MESSAGE_ID=") == std::string::npos) {
        pollfd readable{journal.get(), POLLIN, 0};
        ASSERT_EQ(::poll(&readable, 1, 30000), 1) << "no such record; the last one was " << record << daemon.err();
        char text[8192];
        record.assign(text, static_cast<std::size_t>(::recv(journal.get(), text, sizeof text, 0)));
    }
    ::umount2("/run", MNT_DETACH);
    EXPECT_THAT(record,
                testing::AllOf(HasSubstr("MESSAGE_ID=9f61142497534e2680951d3e02d8b599\n"), HasSubstr("PRIORITY=3\n"),
                               HasSubstr("HWENROLL_IDENTITY=web\n"), HasSubstr("HWENROLL_ERROR=E-CONFIG-")));
}

}  // namespace
}  // namespace hwenroll::test
