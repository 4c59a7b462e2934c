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

}  // namespace hwenroll::lint
