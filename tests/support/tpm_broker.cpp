#include "tests/support/tpm_broker.h"

#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/support/required_tokens.h"

namespace hwenroll::test {

namespace {

using namespace std::chrono_literals;

constexpr int most_tries = 500;

constexpr auto bus_configuration =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \"\">\n"
    "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">"
    "<allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>"
    "</busconfig>\n";

void must_run(ChildProcess& process, const char* name) {
    if (process.wait(10ms)) {
        throw std::runtime_error(fmt::format("{} ended: {}{}", name, process.out(), process.err()));
    }
}

}  // namespace

std::optional<std::string> TpmBroker::missing() {
    return missing_package(
        {{"dbus-daemon", "dbus-daemon"}, {"tpm2-abrmd", "tpm2-abrmd"}, {"tpm2_getcap", "tpm2-tools"}});
}

TpmBroker::TpmBroker(const SoftwareTpm& tpm) : tpm_(tpm) {
    const auto socket = tpm_.directory() / "bus";
    const auto configuration = tpm_.directory() / "bus.conf";
    write_file(configuration, fmt::format(bus_configuration, socket.string()));
    address_ = "DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket.string();
    bus_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"dbus-daemon", "--nofork", "--config-file=" + configuration.string()});
    while (!std::filesystem::exists(socket)) {
        must_run(*bus_, "dbus-daemon");
    }
    start();
}

void TpmBroker::start() {
    stop();
    const ChildOptions on_bus{{address_, "TPM2TOOLS_TCTI=" + tcti()}, {}, {}};
    broker_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"tpm2-abrmd", "--allow-root", "--session", "--flush-all", "--tcti=" + tpm_.tcti()},
        on_bus);
    for (int tries = 0; run({"tpm2_getcap", "properties-fixed"}, on_bus).exit_code != 0; ++tries) {
        must_run(*broker_, "tpm2-abrmd");
        if (tries == most_tries) {
            throw std::runtime_error("tpm2-abrmd does not answer: " + broker_->err());
        }
    }
}

}  // namespace hwenroll::test
