// Commands that a running agent carries out.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/next_command.h"
#include "agent/cli/output_file.h"
#include "agent/cli/proposed_command.h"
#include "agent/control/view_codec.h"
#include "base/pem.h"

namespace hwenroll::cli {
namespace {

using control::Acceptance;
using control::Client;
using control::IdentityEvent;

/// A connection to the agent of the context's configuration.
Result<Client> agent_of(const CommandContext& context) {
    const auto agent = config::load_agent_settings(context.paths);
    return agent ? connect(*agent) : fail(agent.error());
}

std::optional<std::chrono::milliseconds> time_of(const std::optional<double>& seconds) {
    if (!seconds) {
        return std::nullopt;
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000));
}

/// One line, at once: a person watches it or a program reads it as it comes. With --json a document of its own: only
/// monitor prints several.
void print_event(const IdentityEvent& event, const OutputOptions& options) {
    if (options.json) {
        nlohmann::json line = control::to_json(event);
        line["schema"] = 1;
        line["command"] = "monitor";
        std::puts(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    } else {
        std::fputs(fmt::format("{}  {}  {}  {}\n", to_iso8601(event.at), printable(event.identity),
                               colored(printable(event.word), options.screen.color), printable(event.text, 2048))
                       .c_str(),
                   stdout);
    }
    std::fflush(stdout);
}

/// How an identity has settled, as an exit code: 0, or that of the failure it has.
int outcome(const IdentityEvent& event) {
    return event.error ? error_info(*event.error).exit_code : 0;
}

/// A failure that has just happened and that only a person ends: a PIN, a configuration, or a token that is not there.
bool needs_a_person(const IdentityEvent& event) {
    const auto code = code_in(event.text);
    if (!event.error || !code) {
        return false;
    }
    const Remedy remedy = error_info(*code).remedy;
    return remedy == Remedy::change_pin || remedy == Remedy::change_config || code == ErrorCode::token_absent ||
           code == ErrorCode::token_module;
}

/// Prints what happens to the identity on the way. Returns the exit code.
int wait_on(Client& client, const CommandContext& context, const std::string& identity,
            std::optional<std::chrono::milliseconds> timeout, nlohmann::json body, std::string_view command,
            const Client::EventTest& is_enough = {}) {
    const bool json = context.output.json;
    const auto print = [&](const IdentityEvent& event) {
        if (!json) {
            print_event(event, context.output);
        }
    };
    const auto settled = client.wait(identity, timeout, print, is_enough);
    if (!settled) {
        return report(context, settled.error());
    }
    if (json) {
        body["identity"] = identity;
        body["event"] = control::to_json(*settled);
        print_json(command, std::move(body));
    } else {
        print_event(*settled, context.output);
        if (settled->error) {
            const auto configuration = config::load(context.paths);
            const std::string next = next_command(*settled->error, identity, configuration ? &*configuration : nullptr);
            std::puts(("next: " + proposed_command(proposal_ground(context.paths), next)).c_str());
        }
    }
    return outcome(*settled);
}

/// The certificates of a file as PEM. What else it holds, a private key perhaps, goes nowhere.
Result<std::string> read_certificates(const std::filesystem::path& file) {
    constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 20U;
    const auto unfit = [&](std::string why) {
        return fail(ErrorCode::input_file, "cannot take a certificate from " + file.string(), std::move(why),
                    "give a PEM file with the certificate and, below it, its chain");
    };
    std::error_code failure;
    const std::uintmax_t size = std::filesystem::file_size(file, failure);
    if (failure) {
        return unfit(failure.message());
    }
    if (size > largest_file) {
        return unfit("it is larger than 1 MiB");
    }
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) {
        return unfit("it cannot be read");
    }
    const auto certificates = certificates_from_pem(text);
    if (!certificates) {
        return unfit(certificates.error().what());
    }
    std::string all;
    for (const Certificate& one : *certificates) {
        all += to_pem(one);
    }
    if (all.size() > control::max_adopted_text) {
        return unfit(fmt::format("its {} certificates have {} octets, more than {}", certificates->size(), all.size(),
                                 control::max_adopted_text));
    }
    return all;
}

/// `kind` is what `name` is: `identity` or `ca`.
int print_acceptance(const CommandContext& context, std::string_view command, const char* kind, const std::string& name,
                     const Acceptance& acceptance) {
    if (context.output.json) {
        nlohmann::json body = control::to_json(acceptance);
        body[kind] = name;
        print_json(command, std::move(body));
    } else {
        std::fputs(fmt::format("{}: {}\n", printable(name),
                               with_proposed_commands(proposal_ground(context.paths), printable(acceptance.text)))
                       .c_str(),
                   stdout);
    }
    return 0;
}

}  // namespace

int enroll(const CommandContext& context, const std::string& identity, bool wait) {
    auto client = agent_of(context);
    if (!client) {
        return report(context, client.error());
    }
    const auto accepted = client->enroll(identity);
    if (!accepted) {
        return report(context, accepted.error());
    }
    if (!wait) {
        return print_acceptance(context, "enroll", "identity", identity, *accepted);
    }
    if (!context.output.json) {
        print_acceptance(context, "enroll", "identity", identity, *accepted);
    }
    // How it is comes first, perhaps with a failure from before this was typed.
    bool first = true;
    const auto is_enough = [&](const IdentityEvent& event) {
        return !std::exchange(first, false) && needs_a_person(event);
    };
    return wait_on(*client, context, identity, {}, control::to_json(*accepted), "enroll", is_enough);
}

int adopt(const CommandContext& context, const std::string& identity, const std::filesystem::path& file, bool wait) {
    const auto certificates = read_certificates(file);
    if (!certificates) {
        return report(context, certificates.error());
    }
    auto client = agent_of(context);
    if (!client) {
        return report(context, client.error());
    }
    const auto accepted = client->adopt(identity, *certificates);
    if (!accepted) {
        return report(context, accepted.error());
    }
    const bool waits = wait && accepted->changed;
    if (!waits || !context.output.json) {
        print_acceptance(context, "adopt", "identity", identity, *accepted);
    }
    return waits ? wait_on(*client, context, identity, {}, control::to_json(*accepted), "adopt") : 0;
}

int renew(const CommandContext& context, const std::string& identity, bool rekey) {
    auto client = agent_of(context);
    const auto accepted = client ? client->renew(identity, rekey) : fail(client.error());
    return accepted ? print_acceptance(context, "renew", "identity", identity, *accepted)
                    : report(context, accepted.error());
}

int cancel(const CommandContext& context, const std::string& identity) {
    auto client = agent_of(context);
    const auto accepted = client ? client->cancel(identity) : fail(client.error());
    return accepted ? print_acceptance(context, "cancel", "identity", identity, *accepted)
                    : report(context, accepted.error());
}

int ca_accept_next(const CommandContext& context, const std::string& name,
                   const std::optional<std::string>& fingerprint) {
    auto client = agent_of(context);
    const auto accepted = client ? client->accept_next(name, fingerprint) : fail(client.error());
    return accepted ? print_acceptance(context, "ca accept-next", "ca", name, *accepted)
                    : report(context, accepted.error());
}

int crl_fetch(const CommandContext& context, const std::string& name) {
    auto client = agent_of(context);
    const auto fetched = client ? client->fetch_crl(name) : fail(client.error());
    return fetched ? print_acceptance(context, "crl fetch", "ca", name, *fetched) : report(context, fetched.error());
}

int cert_fetch(const CommandContext& context, const std::string& name, const std::string& serial,
               const std::optional<std::filesystem::path>& out) {
    auto client = agent_of(context);
    const auto fetched = client ? client->fetch_certificate(name, serial) : fail(client.error());
    if (!fetched) {
        return report(context, fetched.error());
    }
    if (out) {
        if (const Status written = write_output(*out, fetched->certificate, {}); !written) {
            return report(context, written.error());
        }
    }
    if (context.output.json) {
        print_json("cert fetch", {{"ca", name}, {"serial", serial}, {"certificate", fetched->certificate}});
    } else if (out) {
        std::fputs(fmt::format("{}: the certificate is in {}\n", printable(name), out->string()).c_str(), stdout);
    } else {
        std::fputs(fetched->certificate.c_str(), stdout);
    }
    return 0;
}

int wait(const CommandContext& context, const std::string& identity, const std::optional<double>& timeout) {
    auto client = agent_of(context);
    if (!client) {
        return report(context, client.error());
    }
    return wait_on(*client, context, identity, time_of(timeout), nlohmann::json::object(), "wait");
}

int monitor(const CommandContext& context, const std::optional<double>& timeout) {
    auto client = agent_of(context);
    if (!client) {
        return report(context, client.error());
    }
    const Status ended =
        client->monitor(time_of(timeout), [&](const IdentityEvent& event) { print_event(event, context.output); });
    return ended ? 0 : report(context, ended.error());
}

}  // namespace hwenroll::cli
