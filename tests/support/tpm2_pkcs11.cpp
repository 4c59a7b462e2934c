#include "tests/support/tpm2_pkcs11.h"

#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/support/required_tokens.h"

namespace hwenroll::test {

std::optional<std::string> Tpm2Pkcs11::missing() {
    if (auto broker = TpmBroker::missing()) {
        return broker;
    }
    return missing_package(
        {{"swtpm", "swtpm"}, {module(), "libtpm2-pkcs11-1"}, {"tpm2_ptool", "libtpm2-pkcs11-tools"}});
}

std::string Tpm2Pkcs11::module() {
    const std::string name = "pkcs11/libtpm2_pkcs11.so";
    for (const auto& directory : std::filesystem::directory_iterator("/usr/lib")) {
        if (std::filesystem::exists(directory.path() / name)) {
            return directory.path() / name;
        }
    }
    return "/usr/lib/" + name;
}

Tpm2Pkcs11::Tpm2Pkcs11(const std::string& pin) {
    const std::string store = (directory() / "store").string();
    std::filesystem::create_directory(store);
    environment_ = {broker_.environment(), "TPM2_PKCS11_STORE=" + store, "TPM2_PKCS11_TCTI=" + TpmBroker::tcti(),
                    // It would write what fails to standard error, the worker's and the agent's.
                    "TPM2_PKCS11_LOG_LEVEL=0",
                    // For tpm2_ptool, which runs tpm2-tools.
                    "TPM2TOOLS_TCTI=" + TpmBroker::tcti()};
    must({"tpm2_ptool", "init", "--path", store});
    must({"tpm2_ptool", "addtoken", "--path", store, "--pid", "1", "--label", "lab", "--sopin", "87654321", "--userpin",
          pin});
}

std::string Tpm2Pkcs11::must(std::vector<std::string> arguments) const {
    const std::string name = arguments.at(0);
    RunResult result = run(std::move(arguments), {environment_, directory().path(), {}});
    if (result.exit_code != 0) {
        throw std::runtime_error(fmt::format("{}: {}{}", name, result.out, result.err));
    }
    return std::move(result.out);
}

}  // namespace hwenroll::test
