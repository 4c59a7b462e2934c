// The tests of the project by name, as their sources define them.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/source_tree.h"

namespace hwenroll::lint {

/// Suite.name of every test in the sources, parameterised suites without their instance, and those of add_test().
std::set<std::string> tests_in(const std::vector<SourceFile>& files);

/// `INSTANTIATE_TEST_SUITE_P(name, suite, …)`.
struct TestInstance {
    std::string name;
    std::string suite;
};
std::vector<TestInstance> instances_in(const std::vector<SourceFile>& files);

/// Test names in backticks in the last column of a document's tables: `Suite.name`, `Suite.beginning*` or `Suite.*`.
std::vector<std::string> tests_named_in(std::string_view markdown);

/// Those of `named` that none of the tests `there` is.
std::vector<std::string> missing_tests(const std::vector<std::string>& named, const std::set<std::string>& there);

}  // namespace hwenroll::lint
