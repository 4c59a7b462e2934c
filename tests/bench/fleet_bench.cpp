// 10,000 valid identities in one agent: its start, its memory, and how long `hwenroll status` takes.
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/control/client.h"
#include "base/file_descriptor.h"
#include "tests/bench/fleet.h"
#include "tests/bench/options.h"
#include "tests/bench/table.h"
#include "tests/support/process_memory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::bench {
namespace {

using std::chrono::steady_clock;

constexpr int goal_identities = 10'000;
constexpr auto patience = std::chrono::minutes(3);

double milliseconds_since(steady_clock::time_point begun) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count();
}

/// What systemd listens on as $NOTIFY_SOCKET.
class NotifySocket {
 public:
    explicit NotifySocket(const std::string& path)
        : path_(path), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        ::unlink(path.c_str());
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error("cannot bind " + path);
        }
    }

    [[nodiscard]] std::string variable() const { return "NOTIFY_SOCKET=" + path_; }

    /// Until READY=1 comes.
    void wait_until_ready() {
        pollfd entry{socket_.get(), POLLIN, 0};
        while (::poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 1) {
            std::string text(4096, '\0');
            const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
            text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
            if (text.find("READY=1") != std::string::npos) {
                return;
            }
        }
        throw std::runtime_error("hwenrolld was not ready in time");
    }

 private:
    std::string path_;
    FileDescriptor socket_;
};

/// Until the agent has looked at what the last identity has published: it takes them in the order of their names.
void wait_until_settled(const Fleet& fleet, int count) {
    const auto end = steady_clock::now() + patience;
    for (;;) {
        auto client = control::Client::connect({.runtime_dir = fleet.runtime_dir()});
        auto views = client ? client->status(Fleet::name(count - 1)) : fail(client.error());
        if (views && views->front().settled) {
            return;
        }
        if (steady_clock::now() > end) {
            throw std::runtime_error("the last identity has not settled");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

/// All identities as the agent answers, each of them valid and settled.
void expect_all_valid(const Fleet& fleet, int count) {
    auto client = control::Client::connect({.runtime_dir = fleet.runtime_dir()});
    auto views = client ? client->status({}) : fail(client.error());
    if (!views) {
        throw std::runtime_error(views.error().line());
    }
    for (const control::IdentityView& view : *views) {
        if (view.word != "OK" || !view.settled) {
            throw std::runtime_error(view.name + " is " + view.word + ": " + view.next);
        }
    }
    if (views->size() != static_cast<std::size_t>(count)) {
        throw std::runtime_error(fmt::format("{} identities are there, not {}", views->size(), count));
    }
}

/// All identities in short, as `hwenroll status` reads them.
void expect_overview(const Fleet& fleet, int count) {
    auto client = control::Client::connect({.runtime_dir = fleet.runtime_dir()});
    const auto overview = client ? client->overview() : fail(client.error());
    if (!overview) {
        throw std::runtime_error(overview.error().line());
    }
    if (overview->rows.size() != static_cast<std::size_t>(count)) {
        throw std::runtime_error(fmt::format("{} identities are there, not {}", overview->rows.size(), count));
    }
}

std::string spread(const std::vector<double>& values) {
    return fmt::format("{:.0f} ms ({:.0f}–{:.0f})", median(values), quantile(values, 0), quantile(values, 1));
}

std::string mib(long kib) {
    return fmt::format("{:.1f} MiB", static_cast<double>(kib) / 1024);
}

std::vector<double> times(int rounds, const std::function<void()>& action) {
    std::vector<double> all;
    for (int i = 0; i < rounds; ++i) {
        const auto begun = steady_clock::now();
        action();
        all.push_back(milliseconds_since(begun));
    }
    return all;
}

void hwenroll(const Fleet& fleet, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), test::program("hwenroll"));
    arguments.insert(arguments.end(), {"--config", fleet.config()});
    if (const auto shown = test::run(std::move(arguments), {}, patience); shown.exit_code != 0) {
        throw std::runtime_error("hwenroll: " + shown.err);
    }
}

void measure(const Options& options) {
    const int count = options.quick ? goal_identities / 10 : goal_identities;
    const int rounds = options.quick ? 3 : 9;
    const Fleet fleet(count);
    std::vector<double> ready;
    std::vector<double> answered;
    std::vector<double> settled;
    std::unique_ptr<test::ChildProcess> daemon;
    for (int i = 0; i < rounds; ++i) {
        daemon.reset();
        NotifySocket notify((fleet.directory() / "notify").string());
        const auto begun = steady_clock::now();
        daemon = fleet.start({notify.variable()});
        notify.wait_until_ready();
        ready.push_back(milliseconds_since(begun));
        hwenroll(fleet, {"status", Fleet::name(count / 2)});
        answered.push_back(milliseconds_since(begun));
        wait_until_settled(fleet, count);
        settled.push_back(milliseconds_since(begun));
        if (i + 1 < rounds) {
            daemon->kill(SIGTERM);
            daemon->wait(patience);
        }
    }
    if (daemon == nullptr) {
        throw std::logic_error("no round was run");
    }
    const auto started = test::memory_of(daemon->pid());
    expect_all_valid(fleet, count);
    const auto after_start = test::memory_of(daemon->pid());
    const auto one = times(rounds, [&] { hwenroll(fleet, {"status", Fleet::name(count / 2)}); });
    const auto all = times(rounds, [&] { hwenroll(fleet, {"status"}); });
    const auto overview = times(rounds, [&] { expect_overview(fleet, count); });
    const auto asked = times(rounds, [&] { expect_all_valid(fleet, count); });
    const auto memory = test::memory_of(daemon->pid());
    if (!started || !after_start || !memory) {
        throw std::runtime_error("hwenrolld ended: " + daemon->err());
    }
    Table table(fmt::format("{} identities in one agent, median of {} (least–most)", count, rounds),
                {"what", "measured", "goal"});
    table.add({"start until READY=1", spread(ready), judged("≤ 2 s", median(ready) <= 2000)});
    table.add({"start until the first `hwenroll status ID` has ended", spread(answered), "-"});
    table.add({"start until the published files of all have been read", spread(settled), "-"});
    table.add({"`hwenroll status ID`", spread(one), judged("≤ 100 ms", median(one) <= 100)});
    table.add({"`hwenroll status`, all identities", spread(all), judged("≤ 100 ms", median(all) <= 100)});
    table.add({"Overview over the control socket, read", spread(overview), "-"});
    table.add({"Status of all over the control socket, read", spread(asked), "-"});
    table.add({"resident after the first status of all", mib(after_start->resident), "-"});
    table.add({"resident at the end", mib(memory->resident), judged("≤ 64 MiB", memory->resident <= 64 * 1024)});
    table.add({"most that was resident (VmHWM): after the start, at the end",
               mib(started->peak) + ", " + mib(memory->peak), "-"});
    table.print();
}

}  // namespace
}  // namespace hwenroll::bench

int main(int argc, char** argv) {
    return hwenroll::bench::run_program(argc, argv, hwenroll::bench::measure);
}
