#include "tests/support/process_memory.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>

namespace hwenroll::test {
namespace {

/// The number behind `name:` in a file of /proc.
std::optional<long> field(const std::string& path, const std::string& name) {
    std::ifstream in(path);
    for (std::string word; in >> word;) {
        if (long value = 0; word == name && in >> value) {
            return value;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<ProcessMemory> memory_of(pid_t pid) {
    const std::string directory = fmt::format("/proc/{}/", pid);
    const auto peak = field(directory + "status", "VmHWM:");
    const auto resident = field(directory + "status", "VmRSS:");
    if (!peak || !resident) {
        return std::nullopt;
    }
    return ProcessMemory{*peak, *resident, field(directory + "smaps_rollup", "Pss:")};
}

std::size_t descriptors_of(pid_t pid) {
    std::error_code gone;
    const std::filesystem::directory_iterator open(fmt::format("/proc/{}/fd", pid), gone);
    return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

long wakeups_of(pid_t pid) {
    long sum = 0;
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), gone)) {
        sum += field((thread.path() / "status").string(), "voluntary_ctxt_switches:").value_or(0);
    }
    return sum;
}

std::optional<std::chrono::seconds> next_timer_of(pid_t pid) {
    std::optional<std::chrono::seconds> next;
    std::error_code gone;
    for (const auto& descriptor : std::filesystem::directory_iterator(fmt::format("/proc/{}/fdinfo", pid), gone)) {
        std::ifstream in(descriptor.path());
        for (std::string line; std::getline(in, line);) {
            long long whole = 0;
            long long rest = 0;
            // proc(5): what is left; both are 0 of a timer that is not armed.
            if (std::sscanf(line.c_str(), "it_value: (%lld, %lld)", &whole, &rest) == 2 && (whole != 0 || rest != 0)) {
                next = std::min(next.value_or(std::chrono::seconds::max()), std::chrono::seconds(whole));
            }
        }
    }
    return next;
}

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), gone)) {
        std::ifstream in(thread.path() / "children");
        for (pid_t child = 0; in >> child;) {
            children.push_back(child);
        }
    }
    return children;
}

}  // namespace hwenroll::test
