#include "tests/lint/rules.h"

#include <regex>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::lint {
namespace {

/// Calls `report(line number, match)` for every match of `pattern` in `text`. A line without `hint` cannot match.
template <class Report>
void each_match(std::string_view text, const std::regex& pattern, std::string_view hint, const Report& report) {
    if (text.find(hint) == std::string_view::npos) {
        return;
    }
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) {
        ++number;
        if (line.find(hint) == std::string_view::npos) {
            continue;
        }
        for (std::regex_iterator<std::string_view::const_iterator> at(line.begin(), line.end(), pattern), end;
             at != end; ++at) {
            report(number, *at);
        }
    }
}

bool starts_with_any(std::string_view path, std::initializer_list<std::string_view> folders) {
    for (const std::string_view folder : folders) {
        if (path.starts_with(folder)) {
            return true;
        }
    }
    return false;
}

std::vector<std::string> entries_of(std::string_view table) {
    std::vector<std::string> entries;
    for (const std::string_view line : lines_of(table)) {
        if (!words_of(line).empty() && line[0] != '#') {
            entries.emplace_back(line);
        }
    }
    return entries;
}

bool is_reserved_host(const std::string& host) {
    static const std::regex reserved(
        R"(^([0-9.]+|\[.*|[^.]*|.*\.(example|test|invalid|localhost)|(.*\.)?example\.(com|net|org))$)");
    return std::regex_match(host, reserved);
}

}  // namespace

std::vector<Finding> check_clock(const std::vector<SourceFile>& files) {
    static const std::regex reading(
        R"(::now\s*\(|\b(clock_gettime|gettimeofday|timespec_get)\s*\(|\btime\s*\(\s*(nullptr|NULL|0)\s*\))");
    std::vector<Finding> findings;
    for (const SourceFile& file : files) {
        if (is_code(file) && !starts_with_any(file.path, {"agent/runtime/", "tests/"})) {
            each_match(code_only(file.text), reading, "(", [&](std::size_t line, const auto& match) {
                findings.push_back({file.path, line, fmt::format("reads a clock: {}", match.str())});
            });
        }
    }
    return findings;
}

std::vector<Finding> check_free(const std::vector<SourceFile>& files) {
    static const std::regex release(R"(\b(sk_\w+|[A-Z]\w*)_(free|free_all|pop_free)\s*\()");
    std::vector<Finding> findings;
    for (const SourceFile& file : files) {
        if (is_code(file) && !starts_with_any(file.path, {"base/openssl_ptr.", "keystore/pkcs11/"})) {
            each_match(code_only(file.text), release, "free", [&](std::size_t line, const auto& match) {
                findings.push_back({file.path, line, fmt::format("releases without an owner: {}", match.str())});
            });
        }
    }
    return findings;
}

std::vector<Finding> check_words(const std::vector<SourceFile>& files, std::string_view patterns) {
    std::vector<Finding> findings;
    for (const std::string& pattern : entries_of(patterns)) {
        const std::regex expression(pattern);
        for (const SourceFile& file : files) {
            each_match(file.text, expression, "/", [&](std::size_t line, const auto& match) {
                findings.push_back({file.path, line, fmt::format("must not stand here: '{}'", match.str())});
            });
        }
    }
    return findings;
}

std::vector<Finding> check_hosts(const std::vector<SourceFile>& files, std::string_view hosts) {
    static const std::regex url(R"(\bhttps?://(\[[0-9a-fA-F:]*\]|[A-Za-z0-9.-]*))");
    const auto listed = entries_of(hosts);
    const std::set<std::string> allowed(listed.begin(), listed.end());
    std::vector<Finding> findings;
    for (const SourceFile& file : files) {
        each_match(file.text, url, "://", [&](std::size_t line, const auto& match) {
            std::string host = match[1].str();
            while (host.ends_with('.')) {
                host.pop_back();
            }
            if (!is_reserved_host(host) && !allowed.contains(host)) {
                findings.push_back({file.path, line, fmt::format("names the host '{}'", host)});
            }
        });
    }
    return findings;
}

std::vector<Finding> check_names(const std::vector<SourceFile>& files) {
    static const std::regex good(R"([a-z0-9_]+\.(cpp|h|c|def))");
    static const std::regex vague(R"((^|_)(utils?|helpers?|managers?|handlers?)(_|\.))");
    std::vector<Finding> findings;
    for (const SourceFile& file : files) {
        const std::string name = file.path.substr(file.path.rfind('/') + 1);
        if (is_code(file) && (!std::regex_match(name, good) || std::regex_search(name, vague))) {
            findings.push_back({file.path, 0, "is not named in snake_case for the noun that it defines"});
        }
    }
    return findings;
}

std::vector<Finding> without_exceptions(std::string_view rule, std::vector<Finding> findings,
                                        std::string_view exceptions) {
    for (const std::string& entry : entries_of(exceptions)) {
        const auto columns = split(entry, '|');
        if (columns[0] != rule) {
            continue;
        }
        const std::string path = columns.size() > 1 ? columns[1] : std::string();
        const auto covered = std::erase_if(findings, [&](const Finding& finding) {
            return path.ends_with('/') ? finding.path.starts_with(path) : finding.path == path;
        });
        if (covered == 0) {
            findings.push_back({"tests/lint/exceptions.txt", 0, "nothing needs '" + entry + "' any more"});
        }
    }
    return findings;
}

std::vector<DocumentedCommand> documented_commands(std::string_view markdown) {
    static const std::regex assignment("[A-Za-z_][A-Za-z_0-9]*=.*");
    std::vector<DocumentedCommand> commands;
    bool inside = false;
    bool continued = false;
    std::size_t number = 0;
    for (std::string_view line : lines_of(markdown)) {
        ++number;
        if (line.starts_with("```")) {
            inside = !inside && line.starts_with("```sh");
            continue;
        }
        if (!inside || std::exchange(continued, line.ends_with('\\'))) {
            continue;
        }
        auto words = words_of(line.substr(0, line.find(" #")));
        while (!words.empty() && (words[0] == "$" || words[0] == "#" || std::regex_match(words[0], assignment))) {
            words =
                words[0] == "#" ? std::vector<std::string>{} : std::vector<std::string>(words.begin() + 1, words.end());
        }
        if (!words.empty() && !words[0].starts_with('#')) {
            commands.push_back({number, std::move(words)});
        }
    }
    return commands;
}

}  // namespace hwenroll::lint
