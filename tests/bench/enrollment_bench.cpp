// Whole enrollments at Debian's scepserver, RSA-2048 keys made before: hwenrolld beside scepclient.
#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/bench/enrollment_clients.h"
#include "tests/bench/options.h"
#include "tests/bench/table.h"
#include "tests/support/private_network.h"
#include "tests/support/process_memory.h"

namespace hwenroll::bench {
namespace {

using test::children_of;
using test::memory_of;
using test::ProcessMemory;

struct Runs {
    std::vector<double> wall;  ///< milliseconds for each enrollment
    std::vector<double> cpu;
};

struct Form {
    std::string name;
    std::function<Cost()> enroll;
    Runs runs{};
};

/// Each round takes the forms in another order: the first of them pays for cold caches.
void race(std::vector<Form>& forms, int rounds, int count) {
    const double each = 1000.0 / count;
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < forms.size(); ++turn) {
            Form& form = forms[(turn + static_cast<std::size_t>(round)) % forms.size()];
            const Cost cost = form.enroll();
            form.runs.wall.push_back(cost.wall * each);
            form.runs.cpu.push_back(cost.cpu * each);
        }
    }
}

/// Round by round, so that what the machine did meanwhile is in both.
std::vector<double> ratios(const std::vector<double>& ours, const std::vector<double>& theirs) {
    std::vector<double> all;
    std::transform(ours.begin(), ours.end(), theirs.begin(), std::back_inserter(all), std::divides<>());
    return all;
}

std::string spread(const std::vector<double>& values, int digits) {
    return fmt::format("{:.{}f} ({:.{}f}–{:.{}f})", median(values), digits, quantile(values, 0), digits,
                       quantile(values, 1), digits);
}

void compare(const Scepserver& server, Agent& agent, Scepclient& client, int count, int rounds) {
    std::vector<Form> forms{
        {fmt::format("scepclient, {} processes", count), [&] { return client.enroll_one_by_one(server, count); }},
        {fmt::format("hwenrolld, one process, {} identities", count),
         [&] { return agent.enroll_together(server, count); }},
        {fmt::format("hwenrolld, {} processes, one identity each", count),
         [&] { return agent.enroll_one_by_one(server, count); }}};
    race(forms, rounds, count);
    Table table(fmt::format("{} enrollments, median of {} rounds (least–most), for each enrollment", count, rounds),
                {"what", "CPU, ms", "wall, ms", "CPU ÷ scepclient's", "wall ÷ scepclient's", "goal"});
    const Runs& theirs = forms[0].runs;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        const auto cpu = ratios(forms[i].runs.cpu, theirs.cpu);
        const auto wall = ratios(forms[i].runs.wall, theirs.wall);
        table.add({forms[i].name, spread(forms[i].runs.cpu, 1), spread(forms[i].runs.wall, 1),
                   i == 0 ? "1" : spread(cpu, 2), i == 0 ? "1" : spread(wall, 2),
                   i == 1 ? judged("CPU ≤ 0.5", median(cpu) <= 0.5) : "-"});
    }
    table.print();
}

std::string mib(long kib) {
    return fmt::format("{:.1f}", static_cast<double>(kib) / 1024);
}

void add_row(Table& table, const std::string& what, const ProcessMemory& memory) {
    table.add(
        {what, mib(memory.resident), memory.proportional ? mib(*memory.proportional) : "needs root", mib(memory.peak)});
}

ProcessMemory larger(const ProcessMemory& a, const ProcessMemory& b) {
    ProcessMemory most{std::max(a.peak, b.peak), std::max(a.resident, b.resident), a.proportional};
    if (b.proportional) {
        most.proportional = std::max(a.proportional.value_or(0), *b.proportional);
    }
    return most;
}

/// Looks when the CA has answered and the agent does not know it yet: it waits, and its worker has nothing to do.
void idle_memory(Table& table, Scepserver& server, Agent& agent) {
    std::optional<ProcessMemory> own;
    std::optional<ProcessMemory> worker;
    std::atomic<pid_t> running = 0;
    server.before_answer([&] {
        for (running.wait(0); const pid_t child : children_of(running)) {
            worker = memory_of(child);
        }
        own = memory_of(running);
    });
    const auto process = agent.start(server.url(), server.fingerprint(), 1);
    running = process->pid();
    running.notify_all();
    const auto end = process->wait(std::chrono::minutes(1));
    server.before_answer(nullptr);
    if (!end || end->exit_code != 0 || !own || !worker) {
        throw std::runtime_error("hwenrolld did not enroll: " + process->err());
    }
    add_row(table, "hwenrolld, waiting for its CA", *own);
    add_row(table, "hwenroll-token, logged in and idle", *worker);
}

/// Looks all the time until the agent has ended. VmHWM only grows, so the last look misses at most what came after it.
void peak_memory(Table& table, const Scepserver& server, Agent& agent, int count) {
    const auto running = agent.start(server.url(), server.fingerprint(), count);
    std::map<std::string, ProcessMemory> most;
    std::optional<test::ChildExit> end;
    const auto look = [&](const std::string& name, pid_t pid) {
        if (const auto memory = memory_of(pid)) {
            most[name] = larger(most[name], *memory);
        }
    };
    while (!(end = running->wait(std::chrono::milliseconds(0)))) {
        look("hwenrolld", running->pid());
        for (const pid_t worker : children_of(running->pid())) {
            look("hwenroll-token", worker);
        }
    }
    if (end->exit_code != 0 || most.size() != 2) {
        throw std::runtime_error("hwenrolld did not enroll: " + running->err());
    }
    for (const auto& [name, memory] : most) {
        add_row(table, fmt::format("{} during {} enrollment{}, the most seen", name, count, count == 1 ? "" : "s"),
                memory);
    }
}

/// Instructions of every process of one run, by program.
std::map<std::string, double> instructions_of(const std::filesystem::path& directory) {
    std::map<std::string, double> counts;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        std::ifstream in(file.path());
        std::string program;
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with("cmd: ")) {
                const std::size_t begin = line.find_first_not_of(' ', 5);
                const std::string path = line.substr(begin, line.find(' ', begin) - begin);
                program = std::filesystem::path(path).filename().string();
            } else if (line.starts_with("totals: ")) {
                counts[program] += std::stod(line.substr(8));
            }
        }
    }
    return counts;
}

/// What the first enrollment of a run takes, and each further one. Counts do not depend on the machine's load.
void count_instructions(const Scepserver& server, Agent& agent, const std::filesystem::path& directory) {
    constexpr int further = 4;
    std::array<std::map<std::string, double>, 2> runs;
    for (const int which : {0, 1}) {
        const auto files = directory / (which == 0 ? "one" : "five");
        std::filesystem::create_directory(files);
        agent.run_under({"valgrind", "--quiet", "--tool=callgrind", "--trace-children=yes",
                         "--callgrind-out-file=" + (files / "callgrind.%p").string()});
        agent.enroll_together(server, which == 0 ? 1 : 1 + further);
        runs.at(static_cast<std::size_t>(which)) = instructions_of(files);
    }
    Table table("Instructions by callgrind, millions", {"process", "run with one enrollment", "each further one"});
    for (const auto& [program, first] : runs[0]) {
        table.add({program, fmt::format("{:.1f}", first / 1e6),
                   fmt::format("{:.1f}", (runs[1][program] - first) / further / 1e6)});
    }
    table.print();
}

void measure(const Options& options) {
    const int count = options.quick ? 5 : 50;
    const int rounds = options.quick ? 2 : 9;
    if (!test::enter_private_network()) {
        throw std::runtime_error("no private network can be made here, and scepserver would bind every interface");
    }
    Scepserver server;
    Agent agent(count);
    if (!options.callgrind.empty()) {
        return count_instructions(server, agent, options.callgrind);
    }
    Scepclient client(count);
    compare(server, agent, client, count, rounds);
    Table memory("Memory, MiB", {"what", "resident", "proportional (PSS)", "peak resident (VmHWM)"});
    idle_memory(memory, server, agent);
    peak_memory(memory, server, agent, 1);
    peak_memory(memory, server, agent, count);
    memory.print();
}

}  // namespace
}  // namespace hwenroll::bench

int main(int argc, char** argv) {
    return hwenroll::bench::run_program(argc, argv, hwenroll::bench::measure);
}
