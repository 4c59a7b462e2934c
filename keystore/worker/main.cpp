// hwenroll-token: the only process that loads a vendor PKCS#11 module, opens a TPM or reads a PIN (ADR 0004).
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/pin_source.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "keystore/tpm2/tpm2_token.h"
#include "keystore/worker/process_confinement.h"
#include "keystore/worker/secret_keeper.h"
#include "keystore/worker/service_socket.h"
#include "keystore/worker/system_call_filter.h"
#include "keystore/worker/token_server.h"
#include "keystore/worker/worker_process.h"

namespace {

using namespace hwenroll;            // NOLINT(google-build-using-namespace): the program's own vocabulary
using namespace hwenroll::keystore;  // NOLINT(google-build-using-namespace)

constexpr std::string_view help =
    "Usage: hwenroll-token --fd N [--pin-keeper N] | --user USER\n"
    "Serves one security token to the hwenroll agent that started it or connects to it. Not to be run by hand.\n"
    "\n"
    "  --fd N       connected SOCK_SEQPACKET socket to serve\n"
    "  --pin-keeper N\n"
    "               number of the user whose PIN file root takes as its own\n"
    "  --user USER  serve the next connection to the socket that systemd passes (hwenroll-token@NAME.socket), which\n"
    "               must be USER's or root's\n"
    "  --help       show this text\n"
    "  --version    show the version\n";

/// systemd starts the service because somebody connects, and after a failure without that. It does not wait for long:
/// its credentials are those of its start.
constexpr std::chrono::milliseconds connection_patience{2000};

template <class Number>
std::optional<Number> number_from(std::string_view text) {
    Number number{};
    const auto end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() && read.ptr == end && number >= 0 ? std::optional(number) : std::nullopt;
}

/// The source of the PIN, or of a TPM's authorization value, that `text` names.
Result<PinSource> pin_source(const std::string& text, const std::string& name, bool credentials) {
    auto pin = PinSource::parse(text);
    if (!pin) {
        return fail(std::move(pin.error()).about(fmt::format("token '{}'", name)));
    }
    // The agent's own credentials are not for its tokens (design, "Programs").
    if (pin->kind() == PinSource::Kind::credential && !credentials) {
        return fail(Error(ErrorCode::token_pin_source,
                          fmt::format("the PIN of token '{}' cannot come from a credential", name),
                          "this worker was started by the agent or a command, not by systemd",
                          fmt::format("enable hwenroll-token@{}.socket, or use a file: or exec: source", name)));
    }
    return pin;
}

/// Confines the process before vendor code runs in it for the first time.
VendorGate gate(bool network) {
    return [network, confined = false]() mutable -> Status {
        if (confined) {
            return {};
        }
        Status done = deny_system_calls(network ? Network::allowed : Network::denied);
        confined = done.has_value();
        return done;
    };
}

Result<std::vector<TokenDescription>> list_tokens_of(const ListTokensRequest& request) {
    return list_tokens(request.module, gate(request.network));
}

Result<std::unique_ptr<Token>> open_token(const TokenOptions& options, bool credentials) {
    const auto* tpm2 = std::get_if<Tpm2Options>(&options);
    auto pin =
        pin_source(tpm2 != nullptr ? tpm2->auth : std::get<Pkcs11Options>(options).pin, name_of(options), credentials);
    if (!pin) {
        return fail(std::move(pin.error()));
    }
    VendorGate confine = gate(needs_network(options));
    if (tpm2 != nullptr) {
        return std::unique_ptr<Token>(std::make_unique<Tpm2Token>(*tpm2, *std::move(pin), std::move(confine)));
    }
    return std::unique_ptr<Token>(
        std::make_unique<Pkcs11Token>(std::get<Pkcs11Options>(options), *std::move(pin), std::move(confine)));
}

int complain(const Error& error, int status) {
    fmt::print(stderr, "hwenroll-token: {}\n", error.line());
    return status;
}

/// Serves the agent on a connection that it has made. `credentials`: they are this service's, not the agent's.
int serve(int connection, bool credentials, int stop) {
    // tpm2-tss would write what it cannot do to standard error, the agent's; errors go to the agent as answers.
    setenv("TSS2_LOG", "all+NONE", 0);  // NOLINT(concurrency-mt-unsafe): before any other thread
    failpoint("worker-started");
    const auto open = [credentials](const TokenOptions& options) { return open_token(options, credentials); };
    TokenServer server(connection, {open, list_tokens_of}, stop);
    return server.serve();
}

/// The child of an agent.
int serve_parent(int descriptor) {
    if (auto usable = check_connection(descriptor, geteuid()); !usable) {
        return complain(usable.error(), worker_exit_denied);
    }
    if (auto confined = confine_process(); !confined) {
        return complain(confined.error(), worker_exit_denied);
    }
    return serve(descriptor, false, -1);
}

/// hwenroll-token@NAME.service: one connection in each of its runs, so that each has a process of its own.
int serve_connection(const std::string& user) {
    auto listening = inherited_socket();
    if (!listening) {
        return complain(listening.error(), worker_exit_denied);
    }
    if (auto confined = confine_process(); !confined) {
        return complain(confined.error(), worker_exit_denied);
    }
    const auto agent = user_number(user);
    if (!agent) {
        return complain(agent.error(), worker_exit_usage);
    }
    const auto stop = termination_descriptor();
    if (!stop) {
        return complain(stop.error(), worker_exit_denied);
    }
    auto connection = next_connection(*listening, connection_patience);
    if (!connection) {
        return complain(connection.error(), worker_exit_denied);
    }
    // No vendor code is to meet the next one.
    listening->reset();
    if (!*connection) {
        return 0;
    }
    if (auto usable = check_connection((*connection)->get(), *agent); !usable) {
        return complain(usable.error(), worker_exit_denied);
    }
    return serve((*connection)->get(), true, stop->get());
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
    if (arguments.size() == 2 && arguments[0] == "--user" && !arguments[1].empty()) {
        return serve_connection(std::string(arguments[1]));
    }
    const bool kept = arguments.size() == 4 && arguments[2] == "--pin-keeper";
    const auto descriptor =
        (arguments.size() == 2 || kept) && arguments[0] == "--fd" ? number_from<int>(arguments[1]) : std::nullopt;
    const auto keeper = kept ? number_from<uid_t>(arguments[3]) : std::nullopt;
    if (!descriptor || kept != keeper.has_value()) {
        return complain(Error(ErrorCode::usage, "the command line is not understood", {}, "see hwenroll-token --help"),
                        worker_exit_usage);
    }
    if (keeper) {
        accept_secrets_of(*keeper);
    }
    return serve_parent(*descriptor);
}

}  // namespace

int main(int argc, char** argv) {
    return run({argv + 1, argv + argc});
}
