#include "agent/config/loader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <netdb.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/config/configuration_reader.h"
#include "agent/config/drop_ins.h"
#include "base/file_descriptor.h"

namespace hwenroll::config {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20U;

tl::unexpected<Error> refuse_file(const std::filesystem::path& path, std::string why, std::string next = {}) {
    return fail(
        Error(ErrorCode::config_file, fmt::format("cannot use {}", path.string()), std::move(why), std::move(next))
            .about("configuration"));
}

std::string errno_text(int number) {
    return std::generic_category().message(number);
}

/// `if_missing`: what to do next when it is not there; empty: what the error table says.
Result<std::string> read_file(const std::filesystem::path& path, std::string if_missing = {}) {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status {};
    if (file.get() < 0 || fstat(file.get(), &status) != 0) {
        const int problem = errno;
        return refuse_file(path, errno_text(problem), problem == ENOENT ? std::move(if_missing) : std::string());
    }
    if (S_ISDIR(status.st_mode)) {
        return refuse_file(path, "it is a directory",
                           "name one file, as in --config " + (path / "hwenroll.toml").string());
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse_file(path, "it is no regular file");
    }
    if ((status.st_mode & S_IWOTH) != 0) {
        return refuse_file(path, "everybody may write to it", fmt::format("run 'chmod o-w {}'", path.string()));
    }
    std::string text;
    std::array<char, 16'384> buffer{};
    while (true) {
        const ssize_t size = read(file.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return refuse_file(path, errno_text(errno));
        }
        if (size == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
        if (text.size() > largest_file) {
            return refuse_file(path, "it is larger than 1 MiB");
        }
    }
}

/// The *.toml of `directory` in name order. A directory that does not exist has none.
Result<std::vector<std::filesystem::path>> drop_ins_of(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::filesystem::path& path = entry->path();
        if (path.extension() == ".toml" && !path.filename().string().starts_with('.')) {
            files.push_back(path);
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return refuse_file(directory, error.message());
    }
    std::ranges::sort(files);
    return files;
}

/// What is wrong with drop-ins goes to `findings`.
void add_drop_ins(const ConfigurationPaths& paths, std::vector<SourceText>& sources, Findings& findings) {
    const auto note = [&](const std::filesystem::path& path, const Error& error) {
        findings.push_back(Finding{Part::file, {}, Location{path.string()}, error});
    };
    if (paths.drop_ins.empty()) {
        return;
    }
    const auto files = drop_ins_of(paths.drop_ins);
    if (!files) {
        return note(paths.drop_ins, files.error());
    }
    for (const std::filesystem::path& path : *files) {
        if (auto text = read_file(path)) {
            sources.push_back({path.string(), *std::move(text)});
        } else {
            note(path, text.error());
        }
    }
}

/// The texts of all files.
Result<std::vector<SourceText>> read_sources(const ConfigurationPaths& paths, Findings& findings) {
    auto main = read_file(paths.main, "'hwenroll init' writes one; for another file see --config");
    if (!main) {
        return fail(main.error());
    }
    std::vector<SourceText> sources{{paths.main.string(), *std::move(main)}};
    add_drop_ins(paths, sources, findings);
    return sources;
}

bool mentions_fqdn(const std::vector<SourceText>& sources) {
    return std::ranges::any_of(
        sources, [](const SourceText& source) { return source.text.find("${fqdn}") != std::string::npos; });
}

/// Lengths are in it, so that no text can pass for two.
Bytes digest_of(const std::vector<SourceText>& sources) {
    std::string all;
    for (const SourceText& source : sources) {
        all += fmt::format("{} {}\n{}{}", source.name.size(), source.text.size(), source.name, source.text);
    }
    return sha256(as_bytes(all));
}

Result<Configuration> read_with(const std::vector<SourceText>& sources, const HostFacts& facts, Findings findings) {
    auto configuration = read_configuration(sources, facts);
    if (configuration) {
        configuration->digest = digest_of(sources);
        auto& all = configuration->findings;
        all.insert(all.begin(), findings.begin(), findings.end());
    }
    return configuration;
}

std::string lower_case(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// The first line of a small file without trailing blanks and zero octets; nothing when there is none.
std::optional<std::string> first_line(const char* path) {
    std::ifstream in(path);
    std::string line;
    if (!std::getline(in, line)) {
        return std::nullopt;
    }
    line.resize(std::min(line.find('\0'), line.size()));
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) {
        line.pop_back();
    }
    return line.empty() || line.size() > 128 ? std::nullopt : std::optional(line);
}

/// The canonical name of `host` as the resolver has it; nothing unless it has a dot.
std::optional<std::string> canonical_name(const std::string& host) {
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
        return std::nullopt;
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
    const std::string name = found->ai_canonname == nullptr ? "" : found->ai_canonname;
    return name.find('.') == std::string::npos ? std::nullopt : std::optional(name);
}

}  // namespace

ConfigurationPaths only(std::filesystem::path file) {
    return {std::move(file), {}};
}

Result<Configuration> load(const ConfigurationPaths& paths) {
    Findings findings;
    const auto sources = read_sources(paths, findings);
    if (!sources) {
        return fail(sources.error());
    }
    return read_with(*sources, read_host_facts(mentions_fqdn(*sources)), std::move(findings));
}

Result<Configuration> load_drop_ins(const ConfigurationPaths& paths) {
    Findings findings;
    std::vector<SourceText> sources{{paths.main.string(), {}}};
    add_drop_ins(paths, sources, findings);
    return read_with(sources, read_host_facts(mentions_fqdn(sources)), std::move(findings));
}

Result<Configuration> load(const ConfigurationPaths& paths, const HostFacts& facts) {
    Findings findings;
    const auto sources = read_sources(paths, findings);
    if (!sources) {
        return fail(sources.error());
    }
    return read_with(*sources, facts, std::move(findings));
}

Result<Bytes> digest_of(const ConfigurationPaths& paths) {
    Findings findings;
    const auto sources = read_sources(paths, findings);
    return sources ? Result<Bytes>(digest_of(*sources)) : fail(sources.error());
}

AgentSettings guess_agent_settings(const ConfigurationPaths& paths) {
    AgentSettings settings;
    std::ifstream in(paths.main);
    for (std::string line; std::getline(in, line);) {
        const std::size_t key = line.find_first_not_of(" \t");
        constexpr std::string_view wanted = "runtime_dir";
        if (key == std::string::npos || line.compare(key, wanted.size(), wanted) != 0) {
            continue;
        }
        const std::size_t begin = line.find('"', key + wanted.size());
        const std::size_t end = begin == std::string::npos ? begin : line.find('"', begin + 1);
        if (end != std::string::npos && line.compare(begin + 1, 1, "/") == 0) {
            settings.runtime_dir = line.substr(begin + 1, end - begin - 1);
        }
    }
    return settings;
}

Result<AgentSettings> load_agent_settings(const ConfigurationPaths& paths) {
    Findings findings;
    const auto sources = read_sources(paths, findings);
    return sources ? read_agent_settings(*sources) : fail(sources.error());
}

HostFacts read_host_facts(bool with_fqdn) {
    HostFacts facts;
    std::array<char, 256> buffer{};
    if (gethostname(buffer.data(), buffer.size() - 1) == 0 && buffer[0] != '\0') {
        const std::string name = lower_case(buffer.data());
        facts.hostname = name.substr(0, name.find('.'));
        if (name.find('.') != std::string::npos) {
            facts.fqdn = name;
        } else if (with_fqdn) {
            if (auto canonical = canonical_name(name)) {
                facts.fqdn = lower_case(*std::move(canonical));
            }
        }
    }
    facts.machine_id = first_line("/etc/machine-id");
    facts.serial = first_line("/sys/class/dmi/id/product_serial");
    if (!facts.serial) {
        facts.serial = first_line("/proc/device-tree/serial-number");
    }
    return facts;
}

}  // namespace hwenroll::config
