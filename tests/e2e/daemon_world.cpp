#include "tests/e2e/daemon_world.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/agent/control/raw_client.h"

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

std::vector<std::string> lives_with_rollover() {
    constexpr long day = 86400;
    return {"--ca-lifetime",   std::to_string(200 * day),
            "--lifetime",      std::to_string(120 * day),
            "--auto-rollover", std::to_string(30 * day),
            "--backdate",      "0",
            "--renewal",       "both"};
}

DaemonWorld::DaemonWorld(const std::vector<std::string>& arguments, TimePoint begin)
    : begin_(begin), clock_(directory() / "clock", begin_) {
    std::filesystem::create_directory(directory() / "run");
    start_lab_ca(with_clock(arguments, clock_.path()));
    configure();
}

void DaemonWorld::start_daemon(const std::vector<std::string>& environment, std::vector<std::string> wrapper) {
    ChildOptions options;
    options.environment = environment;
    options.environment.push_back("HWENROLL_CLOCK_FILE=" + clock_.path().string());
    wrapper.insert(wrapper.end(), {program("hwenrolld"), "--config", config().string()});
    daemon_ = std::make_unique<ChildProcess>(std::move(wrapper), options);
}

void DaemonWorld::restart_ca(const std::vector<std::string>& arguments) {
    start_lab_ca(with_clock(arguments, clock_.path()));
}

int DaemonWorld::stop_daemon() {
    daemon_->kill(SIGTERM);
    const auto ended = daemon_->wait(std::chrono::seconds(10));
    return ended ? ended->exit_code : -1;
}

TimePoint DaemonWorld::day(double days) const {
    return begin_ + Seconds(static_cast<std::int64_t>(days * 86400));
}

void DaemonWorld::reload() {
    constexpr const char* done = "the configuration was read again";
    const std::size_t before = times_said(done);
    signal(SIGHUP);
    eventually("the reload", [&] { return times_said(done) > before; });
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

bool DaemonWorld::listens() const {
    try {
        RawClient client(directory() / "run" / "control");
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
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

/// The body of the answer; bash, since it speaks TCP by itself.
std::string DaemonWorld::ask_lab(const std::string& path) const {
    const std::string script = "exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(port()) +
                               R"( && printf 'GET %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n' "$1" >&3)" +
                               " && cat <&3";
    const RunResult asked = run({"bash", "-c", script, "bash", path});
    EXPECT_EQ(asked.exit_code, 0) << asked.err;
    const std::size_t body = asked.out.find("\r\n\r\n");
    return body == std::string::npos ? std::string() : asked.out.substr(body + 4);
}

std::size_t DaemonWorld::times_said(const std::string& text) const {
    const std::string said = daemon_->err();
    std::size_t times = 0;
    for (std::size_t at = said.find(text); at != std::string::npos; at = said.find(text, at + text.size())) {
        ++times;
    }
    return times;
}

std::vector<std::string> DaemonWorld::pending_transactions() const {
    std::vector<std::string> transactions;
    const auto listed = nlohmann::json::parse(ask_lab("/lab/pending"), nullptr, false);
    EXPECT_TRUE(listed.is_array());
    for (const auto& one : listed) {
        if (one["awaitsApproval"].get<bool>()) {
            transactions.push_back(one["transactionID"].get<std::string>());
        }
    }
    return transactions;
}

std::size_t DaemonWorld::approve_all() const {
    const auto transactions = pending_transactions();
    for (const std::string& transaction : transactions) {
        EXPECT_EQ(ask_lab("/lab/approve?transaction=" + transaction), "done\n");
    }
    return transactions.size();
}

std::vector<std::string> DaemonWorld::issued() const {
    std::ifstream in(directory() / "ca" / "issued.jsonl");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

std::vector<std::string> DaemonWorld::messages() const {
    std::vector<std::string> types;
    for (const std::string& line : requests()) {
        const auto record = nlohmann::json::parse(line);
        if (record["operation"] == "PKIOperation") {
            types.push_back(record["messageType"].get<std::string>());
        }
    }
    return types;
}

}  // namespace hwenroll::test
