#include "tests/bench/process_memory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

namespace hwenroll::bench {
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

}  // namespace hwenroll::bench
