#include "tests/lint/module_table.h"

#include <functional>
#include <regex>
#include <stdexcept>

#include <fmt/format.h>

namespace hwenroll::lint {
namespace {

std::set<std::string> set_of(const std::string& text) {
    const auto words = words_of(text);
    return {words.begin(), words.end()};
}

/// Tests may stand beside what they test.
bool is_test(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return path.starts_with("tests/") && (name.ends_with("_test.cpp") || name.starts_with("test_"));
}

bool is_header_name(const std::string& name) {
    return name.find('/') != std::string::npos;
}

}  // namespace

ModuleTable ModuleTable::parse(std::string_view text) {
    ModuleTable table;
    for (const std::string_view line : lines_of(text)) {
        if (!words_of(line).empty() && line[0] != '#') {
            table.read_line(line);
        }
    }
    table.check_names();
    return table;
}

void ModuleTable::read_line(std::string_view line) {
    const auto columns = split(line, '|');
    const auto head = words_of(columns[0]);
    if (head.size() == 2 && head[0] == "library" && columns.size() == 2) {
        libraries_[head[1]] = words_of(columns[1]);
    } else if (head.size() == 2 && head[0] == "module" && (columns.size() == 4 || columns.size() == 5)) {
        modules_.push_back({head[1], columns[1], set_of(columns[2]), set_of(columns[3]),
                            columns.size() == 5 ? set_of(columns[4]) : std::set<std::string>{}});
    } else {
        throw std::runtime_error(fmt::format("module table: cannot read '{}'", line));
    }
}

void ModuleTable::check_names() const {
    for (const Module& module : modules_) {
        for (const std::string& used : module.uses) {
            if (used != "*" && !is_header_name(used) && find(used) == nullptr) {
                throw std::runtime_error(fmt::format("module table: {} uses the unknown '{}'", module.name, used));
            }
        }
        for (const std::string& library : module.libraries) {
            if (library != "*" && !libraries_.contains(library)) {
                throw std::runtime_error(fmt::format("module table: {} has the unknown '{}'", module.name, library));
            }
        }
    }
}

const Module* ModuleTable::find(std::string_view name) const {
    for (const Module& module : modules_) {
        if (module.name == name) {
            return &module;
        }
    }
    return nullptr;
}

const Module* ModuleTable::module_of(std::string_view path) const {
    if (is_test(path)) {
        return find("tests");
    }
    const Module* best = nullptr;
    for (const Module& module : modules_) {
        const bool holds = path.starts_with(module.folder + "/") || path.starts_with(module.folder + ".");
        if (holds && (best == nullptr || module.folder.size() > best->folder.size())) {
            best = &module;
        }
    }
    return best;
}

std::string ModuleTable::cycle() const {
    std::set<std::string> finished;
    std::vector<std::string> path;
    const std::function<std::string(const Module&)> visit = [&](const Module& module) -> std::string {
        for (std::size_t i = 0; i < path.size(); ++i) {
            if (path[i] == module.name) {
                return fmt::format("{} -> {}", fmt::join(path.begin() + static_cast<long>(i), path.end(), " -> "),
                                   module.name);
            }
        }
        if (finished.contains(module.name)) {
            return {};
        }
        path.push_back(module.name);
        for (const std::string& used : module.uses) {
            const Module* next = find(used);
            if (std::string found = next == nullptr ? std::string() : visit(*next); !found.empty()) {
                return found;
            }
        }
        path.pop_back();
        finished.insert(module.name);
        return {};
    };
    for (const Module& module : modules_) {
        if (std::string found = visit(module); !found.empty()) {
            return found;
        }
    }
    return {};
}

std::string ModuleTable::library_of(std::string_view header) const {
    for (const auto& [name, prefixes] : libraries_) {
        for (const std::string& prefix : prefixes) {
            if (header == prefix || (prefix.ends_with('/') && header.starts_with(prefix))) {
                return name;
            }
        }
    }
    return {};
}

std::string ModuleTable::objection(const Module& module, const std::string& header, bool quoted,
                                   const std::set<std::string>& ours) const {
    if (module.never.contains(header)) {
        return fmt::format("module {} must never include <{}>", module.name, header);
    }
    if (!quoted) {
        const std::string library = library_of(header);
        const bool allowed = library.empty() || module.libraries.contains("*") || module.libraries.contains(library);
        return allowed ? "" : fmt::format("module {} may not use {} (<{}>)", module.name, library, header);
    }
    if (!ours.contains(header)) {
        return fmt::format("\"{}\" is no file of ours, written from the root of the project", header);
    }
    const Module* other = module_of(header);
    const bool allowed = other == &module || module.uses.contains("*") || module.uses.contains(header) ||
                         (other != nullptr && module.uses.contains(other->name));
    return allowed ? "" : fmt::format("no arrow from {} to \"{}\"", module.name, header);
}

std::vector<Finding> ModuleTable::check(const std::vector<SourceFile>& files) const {
    static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    std::set<std::string> ours;
    for (const SourceFile& file : files) {
        ours.insert(file.path);
    }
    std::vector<Finding> findings;
    for (const SourceFile& file : files) {
        if (!is_code(file)) {
            continue;
        }
        const Module* module = module_of(file.path);
        if (module == nullptr) {
            findings.push_back({file.path, 0, "the file's folder belongs to no module of tests/lint/modules.txt"});
            continue;
        }
        std::size_t number = 0;
        for (const std::string_view line : lines_of(file.text)) {
            ++number;
            std::match_results<std::string_view::const_iterator> match;
            if (!std::regex_search(line.begin(), line.end(), match, include)) {
                continue;
            }
            if (std::string why = objection(*module, match[2].str(), match[1].str() == "\"", ours); !why.empty()) {
                findings.push_back({file.path, number, std::move(why)});
            }
        }
    }
    return findings;
}

}  // namespace hwenroll::lint
