#include "tests/support/test_paths.h"

namespace hwenroll::test {

std::string test_data(const std::string& name) {
    return HWENROLL_TEST_DATA "/" + name;
}

std::string source_file(const std::string& name) {
    return HWENROLL_TEST_SOURCE "/" + name;
}

std::string program(const std::string& name) {
    return HWENROLL_TEST_BIN "/" + name;
}

std::string test_key_file(int number) {
    return HWENROLL_TEST_KEYS "/rsa-2048-" + std::to_string(number) + ".pem";
}

std::string module(const std::string& name) {
    return HWENROLL_TEST_LIB "/" + name;
}

}  // namespace hwenroll::test
