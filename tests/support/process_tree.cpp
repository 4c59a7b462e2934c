#include "tests/support/process_tree.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace hwenroll::test {

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task")) {
        std::ifstream in(thread.path() / "children");
        for (pid_t child = 0; in >> child;) {
            children.push_back(child);
        }
    }
    return children;
}

}  // namespace hwenroll::test
