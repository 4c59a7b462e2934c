#include "tests/lint/test_names.h"

#include <regex>

namespace hwenroll::lint {

std::set<std::string> tests_in(const std::vector<SourceFile>& files) {
    static const std::regex macro(R"(\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\))");
    static const std::regex added(R"(add_test\(\s*NAME\s+([\w.]+))");
    std::set<std::string> names;
    for (const SourceFile& file : files) {
        for (std::sregex_iterator at(file.text.begin(), file.text.end(), macro), end; at != end; ++at) {
            names.insert((*at)[1].str() + "." + (*at)[2].str());
        }
        for (std::sregex_iterator at(file.text.begin(), file.text.end(), added), end; at != end; ++at) {
            names.insert((*at)[1].str());
        }
    }
    return names;
}

std::vector<TestInstance> instances_in(const std::vector<SourceFile>& files) {
    static const std::regex macro(R"(\bINSTANTIATE_TEST_SUITE_P\(\s*(\w+),\s*(\w+),)");
    std::vector<TestInstance> instances;
    for (const SourceFile& file : files) {
        for (std::sregex_iterator at(file.text.begin(), file.text.end(), macro), end; at != end; ++at) {
            instances.push_back({(*at)[1], (*at)[2]});
        }
    }
    return instances;
}

std::vector<std::string> tests_named_in(std::string_view markdown) {
    static const std::regex name(R"(`(\w+\.\w*\*?)`)");
    std::vector<std::string> names;
    for (const std::string_view line : lines_of(markdown)) {
        if (!line.starts_with("|")) {
            continue;
        }
        const auto columns = split(line, '|');
        const std::string last = columns.size() < 2 ? std::string() : columns[columns.size() - 2];
        for (std::sregex_iterator at(last.begin(), last.end(), name), end; at != end; ++at) {
            names.push_back((*at)[1].str());
        }
    }
    return names;
}

std::vector<std::string> missing_tests(const std::vector<std::string>& named, const std::set<std::string>& there) {
    std::vector<std::string> missing;
    for (const std::string& name : named) {
        const bool prefix = name.ends_with('*');
        const std::string wanted = prefix ? name.substr(0, name.size() - 1) : name;
        const auto found = there.lower_bound(wanted);
        if (found == there.end() || (prefix ? !found->starts_with(wanted) : *found != wanted)) {
            missing.push_back(name);
        }
    }
    return missing;
}

}  // namespace hwenroll::lint
