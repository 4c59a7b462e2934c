#include "tests/support/softhsm.h"

#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/support/child_process.h"

namespace hwenroll::test {

namespace {
constexpr auto variable = "SOFTHSM2_CONF";
}

SoftHsm::SoftHsm() {
    std::filesystem::create_directory(token_directory());
    write_file(config_path(), fmt::format("directories.tokendir = {}\n"
                                          "objectstore.backend = file\n"
                                          "log.level = ERROR\n"
                                          "slots.removable = false\n",
                                          token_directory().string()));
    if (const char* before = std::getenv(variable)) {
        environment_before_ = before;
        environment_was_set_ = true;
    }
    setenv(variable, config_path().c_str(), 1);
}

SoftHsm::~SoftHsm() {
    if (environment_was_set_) {
        setenv(variable, environment_before_.c_str(), 1);
    } else {
        unsetenv(variable);
    }
}

std::string SoftHsm::module() {
    return "/usr/lib/softhsm/libsofthsm2.so";
}

void SoftHsm::init_token(const std::string& label, const std::string& so_pin, const std::string& pin) {
    const RunResult made =
        run({"softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", so_pin, "--pin", pin});
    if (made.exit_code != 0) {
        throw std::runtime_error("softhsm2-util --init-token failed: " + made.out + made.err);
    }
}

std::string SoftHsm::pin_file(const std::string& pin, const std::string& name) {
    const auto path = directory_ / name;
    write_file(path, pin + "\n", 0600);
    return "file:" + path.string();
}

std::string SoftHsm::token_uri(const std::string& label) {
    return "pkcs11:token=" + label;
}

}  // namespace hwenroll::test
