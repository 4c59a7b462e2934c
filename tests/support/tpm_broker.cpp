#include "tests/support/tpm_broker.h"

#include <filesystem>
#include <stdexcept>
#include <vector>

namespace hwenroll::test {

using namespace std::chrono_literals;

TpmBroker::TpmBroker(const SoftwareTpm& tpm) : tpm_(tpm) {
    start_bus();
    restart();
}

void TpmBroker::start_bus() {
    const std::string socket = (directory_ / "bus").string();
    const std::string config = (directory_ / "bus.conf").string();
    write_file(config,
               "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \"\">\n"
               "<busconfig><type>session</type><listen>unix:path=" +
                   socket +
                   "</listen><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>"
                   "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n");
    address_ = "DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket;
    bus_ =
        std::make_unique<ChildProcess>(std::vector<std::string>{"dbus-daemon", "--nofork", "--config-file=" + config});
    for (int tries = 0; !std::filesystem::exists(socket); ++tries) {
        if (tries == 500 || bus_->wait(10ms)) {
            throw std::runtime_error("dbus-daemon does not start: " + bus_->err());
        }
    }
}

void TpmBroker::restart() {
    broker_.reset();
    broker_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"tpm2-abrmd", "--allow-root", "--session", "--flush-all", "--tcti=" + tpm_.tcti()},
        ChildOptions{{address_}, {}, {}});
    const std::vector<std::string> question{"tpm2_getcap", "-T", tcti, "properties-fixed"};
    for (int tries = 0; run(question, {{address_}, {}, {}}).exit_code != 0; ++tries) {
        if (tries == 500 || broker_->wait(10ms)) {
            throw std::runtime_error("tpm2-abrmd does not start: " + broker_->err());
        }
    }
}

}  // namespace hwenroll::test
