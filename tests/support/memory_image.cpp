#include "tests/support/memory_image.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file_descriptor.h"

namespace hwenroll::test {
namespace {

constexpr std::size_t chunk = 1U << 20U;
constexpr std::size_t piece = 32;
constexpr std::size_t word = 8;

struct Mapping {
    std::string line;
    unsigned long begin = 0;
    unsigned long end = 0;
    bool in_core = true;
};

/// smaps has each mapping's line as in maps, and its VmFlags some lines after it.
std::vector<Mapping> mappings_of(pid_t pid) {
    std::ifstream in(fmt::format("/proc/{}/smaps", pid));
    std::vector<Mapping> mappings;
    for (std::string line; std::getline(in, line);) {
        Mapping mapping{line};
        char readable = '-';
        if (std::sscanf(line.c_str(), "%lx-%lx %c", &mapping.begin, &mapping.end, &readable) == 3) {
            // [vvar] belongs to the kernel, and cannot be read.
            mapping.end = readable == 'r' && !line.ends_with("[vvar]") ? mapping.end : mapping.begin;
            mappings.push_back(std::move(mapping));
        } else if (line.starts_with("VmFlags:") && !mappings.empty()) {
            mappings.back().in_core = (line + ' ').find(" dd ") == std::string::npos;
        }
    }
    return mappings;
}

/// `in` a chunk, whose last octets come again in the next one.
void look(const Mapping& mapping, ByteView in, const std::vector<Bytes>& values, std::vector<Finding>& findings) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool known = std::ranges::any_of(
            findings, [&](const Finding& finding) { return finding.value == i && finding.mapping == mapping.line; });
        if (!known && memmem(in.data(), in.size(), values[i].data(), values[i].size()) != nullptr) {
            findings.push_back({i, mapping.line, mapping.in_core});
        }
    }
}

Bytes with_words_reversed(ByteView number) {
    Bytes out = to_bytes(number);
    for (std::size_t at = 0; at + word <= out.size(); at += word) {
        std::reverse(out.begin() + static_cast<std::ptrdiff_t>(at),
                     out.begin() + static_cast<std::ptrdiff_t>(at + word));
    }
    return out;
}

Bytes backwards(Bytes octets) {
    std::ranges::reverse(octets);
    return octets;
}

}  // namespace

std::vector<Finding> find_in_memory(pid_t pid, const std::vector<Bytes>& values) {
    const FileDescriptor memory(open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
    std::size_t longest = 1;
    for (const Bytes& value : values) {
        longest = std::max(longest, value.size());
    }
    std::vector<Finding> findings;
    std::size_t seen = 0;
    Bytes octets(chunk + longest);
    for (const Mapping& mapping : mappings_of(pid)) {
        for (unsigned long at = mapping.begin; at < mapping.end; at += chunk) {
            const std::size_t wanted = std::min<std::size_t>(octets.size(), mapping.end - at);
            const ssize_t got = pread(memory.get(), octets.data(), wanted, static_cast<off_t>(at));
            if (got > 0) {
                seen += static_cast<std::size_t>(got);
                look(mapping, ByteView(octets).first(static_cast<std::size_t>(got)), values, findings);
            }
        }
    }
    if (seen == 0) {
        throw std::runtime_error(fmt::format("the memory of process {} cannot be read", pid));
    }
    std::fill(octets.begin(), octets.end(), 0);
    return findings;
}

std::vector<Bytes> arrangements_of(ByteView number) {
    const Bytes turned = with_words_reversed(number);
    std::vector<Bytes> pieces;
    for (const Bytes& whole : {to_bytes(number), backwards(to_bytes(number)), turned, backwards(turned)}) {
        for (std::size_t at = 0; at + piece <= whole.size(); at += piece) {
            pieces.push_back(to_bytes(ByteView(whole).subspan(at, piece)));
        }
    }
    return pieces;
}

}  // namespace hwenroll::test
