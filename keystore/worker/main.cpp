// hwenroll-token: the only process that loads a vendor PKCS#11 module, opens a TPM or reads a PIN (ADR 0004).
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/pin_source.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "keystore/tpm2/tpm2_token.h"
#include "keystore/worker/process_confinement.h"
#include "keystore/worker/token_server.h"
#include "keystore/worker/worker_process.h"

namespace {

using namespace hwenroll;            // NOLINT(google-build-using-namespace): the program's own vocabulary
using namespace hwenroll::keystore;  // NOLINT(google-build-using-namespace)

constexpr std::string_view help =
    "Usage: hwenroll-token --fd N\n"
    "Serves one security token to the hwenroll agent that started it. Not to be run by hand.\n"
    "\n"
    "  --fd N     connected SOCK_SEQPACKET socket to serve\n"
    "  --help     show this text\n"
    "  --version  show the version\n";

std::optional<int> descriptor_from(std::string_view text) {
    int number = -1;
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() && read.ptr == end && number >= 0 ? std::optional(number) : std::nullopt;
}

/// The source of the PIN, or of a TPM's authorization value, that `text` names.
Result<PinSource> pin_source(const std::string& text, const std::string& name) {
    auto pin = PinSource::parse(text);
    if (!pin) {
        return fail(std::move(pin.error()).about(fmt::format("token '{}'", name)));
    }
    // The agent's own credentials are not for its tokens (design, "Programs").
    if (pin->kind() == PinSource::Kind::credential) {
        return fail(Error(ErrorCode::token_pin_source,
                          fmt::format("the PIN of token '{}' cannot come from a credential", name),
                          "this worker was started by the agent, not by systemd",
                          "use hwenroll-token@.service, or a file: or exec: source"));
    }
    return pin;
}

/// Makes the token of a worker that was started over a socketpair.
Result<std::unique_ptr<Token>> open_token(const TokenOptions& options) {
    const auto* tpm2 = std::get_if<Tpm2Options>(&options);
    const auto* pkcs11 = std::get_if<Pkcs11Options>(&options);
    auto pin = pin_source(tpm2 != nullptr ? tpm2->auth : pkcs11->pin, name_of(options));
    if (!pin) {
        return fail(std::move(pin.error()));
    }
    if (tpm2 != nullptr) {
        return std::unique_ptr<Token>(std::make_unique<Tpm2Token>(*tpm2, *std::move(pin)));
    }
    return std::unique_ptr<Token>(std::make_unique<Pkcs11Token>(*pkcs11, *std::move(pin)));
}

int complain(const Error& error, int status) {
    fmt::print(stderr, "hwenroll-token: {}\n", error.line());
    return status;
}

int run(const std::vector<std::string_view>& arguments) {
    if (arguments.size() == 1 && arguments[0] == "--help") {
        fmt::print("{}", help);
        return 0;
    }
    if (arguments.size() == 1 && arguments[0] == "--version") {
        fmt::print("hwenroll-token {}\n", HWENROLL_VERSION);
        return 0;
    }
    const auto descriptor =
        arguments.size() == 2 && arguments[0] == "--fd" ? descriptor_from(arguments[1]) : std::nullopt;
    if (!descriptor) {
        return complain(Error(ErrorCode::usage, "the command line is not understood", {}, "see hwenroll-token --help"),
                        worker_exit_usage);
    }
    if (auto usable = check_connection(*descriptor); !usable) {
        return complain(usable.error(), worker_exit_denied);
    }
    if (auto confined = confine_process(); !confined) {
        return complain(confined.error(), worker_exit_denied);
    }
    // tpm2-tss would write what it cannot do to standard error, the agent's; errors go to the agent as answers.
    setenv("TSS2_LOG", "all+NONE", 0);  // NOLINT(concurrency-mt-unsafe): before any other thread
    failpoint("worker-started");
    TokenServer server(*descriptor, {open_token, list_tokens});
    return server.serve();
}

}  // namespace

int main(int argc, char** argv) {
    return run({argv + 1, argv + argc});
}
