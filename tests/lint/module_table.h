// Which module may include what: the table of tests/lint/modules.txt.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/source_tree.h"

namespace hwenroll::lint {

/// One line of the table.
struct Module {
    std::string name;
    std::string folder;
    std::set<std::string> uses;       ///< modules, or single headers of ours; "*" is all
    std::set<std::string> libraries;  ///< "*" is all
    std::set<std::string> never;      ///< standard and system headers
};

class ModuleTable {
 public:
    /// Throws std::runtime_error with the line that cannot be read, or that names an unknown module or library.
    static ModuleTable parse(std::string_view text);

    [[nodiscard]] const std::vector<Module>& modules() const { return modules_; }

    /// The module that `path` belongs to, or nullptr.
    [[nodiscard]] const Module* module_of(std::string_view path) const;

    /// A cycle of arrows as `a -> b -> a`, or nothing.
    [[nodiscard]] std::string cycle() const;

    /// Every include that the table does not allow, and every code file without a module.
    [[nodiscard]] std::vector<Finding> check(const std::vector<SourceFile>& files) const;

 private:
    void read_line(std::string_view line);
    void check_names() const;
    [[nodiscard]] const Module* find(std::string_view name) const;
    [[nodiscard]] std::string library_of(std::string_view header) const;
    [[nodiscard]] std::string objection(const Module& module, const std::string& header, bool quoted,
                                        const std::set<std::string>& ours) const;

    std::map<std::string, std::vector<std::string>> libraries_;
    std::vector<Module> modules_;
};

}  // namespace hwenroll::lint
