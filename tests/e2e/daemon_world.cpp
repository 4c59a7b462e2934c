#include "tests/e2e/daemon_world.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/support/process_memory.h"

namespace hwenroll::test {
namespace {

std::vector<Certificate> certificates_in(const std::filesystem::path& file) {
    std::error_code missing;
    if (!std::filesystem::exists(file, missing)) {
        return {};
    }
    auto certificates = certificates_from_pem(read_file(file));
    return certificates ? *std::move(certificates) : std::vector<Certificate>();
}

std::vector<std::string> with_clock(std::vector<std::string> arguments, const std::filesystem::path& clock) {
    arguments.insert(arguments.end(), {"--clock-file", clock.string()});
    return arguments;
}

}  // namespace

DaemonWorld::DaemonWorld(const std::vector<std::string>& arguments)
    : begin_(std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)), clock_(directory() / "clock", begin_) {
    std::filesystem::create_directory(directory() / "run");
    start_lab_ca(with_clock(arguments, clock_.path()));
    configure();
}

void DaemonWorld::start_daemon(const std::vector<std::string>& environment, std::vector<std::string> tracer) {
    ChildOptions options;
    options.environment = environment;
    options.environment.push_back("HWENROLL_CLOCK_FILE=" + clock_.path().string());
    traced_ = !tracer.empty();
    tracer.insert(tracer.end(), {program("hwenrolld"), "--config", config().string()});
    daemon_ = std::make_unique<ChildProcess>(std::move(tracer), options);
}

int DaemonWorld::stop_daemon() {
    if (traced_) {
        // strace takes a signal for itself.
        for (const pid_t traced : children_of(daemon_->pid())) {
            ::kill(traced, SIGTERM);
        }
    } else {
        daemon_->kill(SIGTERM);
    }
    const auto ended = daemon_->wait(std::chrono::seconds(10));
    return ended ? ended->exit_code : -1;
}

TimePoint DaemonWorld::day(double days) const {
    return begin_ + Seconds(static_cast<std::int64_t>(days * 86400));
}

void DaemonWorld::go_to_day(double days) {
    go_to(day(days));
}

void DaemonWorld::let_pass(Seconds ahead, Seconds real) {
    const TimePoint end = clock_.now() + ahead;
    clock_.set_rate(ahead / real);
    while (clock_.now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    clock_.set_rate(0);
}

RunResult DaemonWorld::command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program("hwenroll"));
    arguments.insert(arguments.end(), {"--config", config().string()});
    return run(std::move(arguments), {{"HWENROLL_CLOCK_FILE=" + clock_.path().string()}, {}, {}});
}

std::optional<Certificate> DaemonWorld::leaf() const {
    const auto certificates = certificates_in(live() / "cert.pem");
    return certificates.empty() ? std::nullopt : std::optional(certificates.front());
}

std::size_t DaemonWorld::anchors() const {
    return certificates_in(live() / "ca.pem").size();
}

std::string DaemonWorld::generation() const {
    std::error_code missing;
    return std::filesystem::read_symlink(live(), missing).string();
}

std::string DaemonWorld::word() const {
    const RunResult shown = command({"status", "--json"});
    const auto answer = nlohmann::json::parse(shown.out, nullptr, false);
    return answer.is_discarded() ? shown.err : answer["identities"][0]["state"].get<std::string>();
}

void DaemonWorld::eventually(const std::string& what, const std::function<bool()>& holds) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            GTEST_FAIL() << what << " did not happen\n"
                         << daemon_->err() << command({"status", "web"}).out << command({"history", "web"}).out;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::vector<std::string> DaemonWorld::issued() const {
    std::ifstream in(directory() / "ca" / "issued.jsonl");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

}  // namespace hwenroll::test
