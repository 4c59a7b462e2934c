// The state of the clock where the kernel may not be asked for it: systemd-timedated on the system bus.
#include "agent/runtime/clock_service.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <seccomp.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <systemd/sd-bus.h>

#include "agent/runtime/clock_trust.h"
#include "agent/store/store.h"
#include "base/file_descriptor.h"
#include "tests/support/child_process.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

using namespace std::chrono_literals;
using hwenroll::test::ChildProcess;
using hwenroll::test::TemporaryDirectory;

constexpr auto bus_configuration =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \"\">\n"
    "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">"
    "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>"
    "</busconfig>\n";

/// What the service answers; `silent`: nothing.
enum class Says { synchronized, unsynchronized, something_else, silent };

int answer(sd_bus_message* call, void* data, sd_bus_error*) {
    if (::sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "Get") <= 0) {
        return 0;
    }
    const auto& says = *static_cast<Says*>(data);
    return says == Says::something_else
               ? ::sd_bus_reply_method_return(call, "v", "s", "yes")
               : ::sd_bus_reply_method_return(call, "v", "b", says == Says::synchronized ? 1 : 0);
}

/// org.freedesktop.timedate1 on the bus at `address`, served by a thread of its own.
class ClockService {
 public:
    ClockService(const std::string& address, Says says) : says_(says) {
        require(::sd_bus_new(&bus_), "sd_bus_new");
        require(::sd_bus_set_address(bus_, address.c_str()), "sd_bus_set_address");
        require(::sd_bus_set_bus_client(bus_, 1), "sd_bus_set_bus_client");
        require(::sd_bus_start(bus_), "sd_bus_start");
        require(::sd_bus_add_object(bus_, nullptr, "/org/freedesktop/timedate1", answer, &says_), "sd_bus_add_object");
        require(::sd_bus_request_name(bus_, "org.freedesktop.timedate1", 0), "sd_bus_request_name");
        if (says != Says::silent) {
            served_ = std::thread([this] { serve(); });
        }
    }
    ClockService(const ClockService&) = delete;
    ClockService& operator=(const ClockService&) = delete;
    ~ClockService() {
        over_ = true;
        if (served_.joinable()) {
            served_.join();
        }
        ::sd_bus_flush_close_unref(bus_);
    }

 private:
    static void require(int result, const char* call) {
        if (result < 0) {
            throw std::runtime_error(fmt::format("{}: {}", call, result));
        }
    }

    void serve() {
        while (!over_) {
            if (::sd_bus_process(bus_, nullptr) == 0) {
                ::sd_bus_wait(bus_, 20'000);
            }
        }
    }

    Says says_;
    sd_bus* bus_ = nullptr;
    std::atomic<bool> over_ = false;
    std::thread served_;
};

class SystemBusTest : public testing::Test {
 protected:
    void SetUp() override {
        if (const auto missing = test::missing_package({{"dbus-daemon", "dbus-daemon"}})) {
            if (test::tokens_are_required()) {
                FAIL() << *missing;
            }
            GTEST_SKIP() << *missing;
        }
        address_ = "unix:path=" + (directory_ / "bus").string();
        ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address_.c_str(), 1);
    }
    void TearDown() override { ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }

    void start_bus() {
        const auto configuration = directory_ / "bus.conf";
        test::write_file(configuration, fmt::format(bus_configuration, (directory_ / "bus").string()));
        bus_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{"dbus-daemon", "--nofork", "--config-file=" + configuration.string()});
        while (!std::filesystem::exists(directory_ / "bus")) {
            ASSERT_FALSE(bus_->wait(10ms)) << bus_->err();
        }
    }

    TemporaryDirectory directory_;
    std::string address_;
    std::unique_ptr<ChildProcess> bus_;
};

TEST_F(SystemBusTest, K3_the_clock_service_is_taken_at_its_word) {
    start_bus();
    {
        const ClockService service(address_, Says::synchronized);
        EXPECT_EQ(ask_clock_service(60s), true);
    }
    const ClockService service(address_, Says::unsynchronized);
    EXPECT_EQ(ask_clock_service(60s), false);
}

TEST_F(SystemBusTest, K3_no_bus_no_service_or_another_answer_is_no_word) {
    EXPECT_EQ(ask_clock_service(60s), std::nullopt);
    start_bus();
    EXPECT_EQ(ask_clock_service(60s), std::nullopt);
    const ClockService service(address_, Says::something_else);
    EXPECT_EQ(ask_clock_service(60s), std::nullopt);
}

// invariant 8: every wait has a deadline.
TEST_F(SystemBusTest, invariant_8_a_service_or_a_bus_that_says_nothing_is_waited_for_no_longer_than_allowed) {
    start_bus();
    {
        const ClockService service(address_, Says::silent);
        EXPECT_EQ(ask_clock_service(100ms), std::nullopt);
    }
    bus_.reset();
    std::filesystem::remove(directory_ / "bus");
    const FileDescriptor deaf(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory_ / "bus").string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(deaf.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(deaf.get(), 8), 0);
    EXPECT_EQ(ask_clock_service(100ms), std::nullopt);
}

/// As in the sandbox of hwenrolld.service: the calling thread, and no other, may not ask the kernel any more.
void deny_adjtimex() {
    const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
    for (const int call : {SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime)}) {
        ASSERT_EQ(::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0), 0);
    }
    ASSERT_EQ(::seccomp_load(filter), 0);
    ::seccomp_release(filter);
}

class FixedClock final : public Clock {
 public:
    explicit FixedClock(TimePoint now) : now_(now) {}
    [[nodiscard]] TimePoint now() const override { return now_; }

 private:
    TimePoint now_;
};

/// A clock that an hour ago said a year more.
struct TurnedBack {
    explicit TurnedBack(const std::filesystem::path& directory)
        : store(store::Store::open(directory, {}).value()), clock(now), trust(store, clock) {
        EXPECT_TRUE(store.commit_clock_seen(now + Seconds(31'536'000)));
    }
    TimePoint now = std::chrono::sys_days(std::chrono::year(2030) / 1 / 1);
    store::Store store;
    FixedClock clock;
    ClockTrust trust;
};

TEST_F(SystemBusTest, K3_a_clock_that_was_put_right_is_believed_in_a_sandbox_that_denies_adjtimex) {
    start_bus();
    std::thread([this] {
        deny_adjtimex();
        TurnedBack machine(directory_ / "state");
        EXPECT_TRUE(machine.trust.look());
        EXPECT_FALSE(machine.trust.trusted()) << "nobody has said that the clock is right";
        {
            const ClockService service(address_, Says::unsynchronized);
            EXPECT_TRUE(machine.trust.look());
            EXPECT_FALSE(machine.trust.trusted());
        }
        const ClockService service(address_, Says::synchronized);
        EXPECT_TRUE(machine.trust.look());
        EXPECT_TRUE(machine.trust.trusted()) << machine.trust.why();
        EXPECT_EQ(machine.store.clock_seen().value(), machine.now);
    }).join();
}

}  // namespace
}  // namespace hwenroll::runtime
