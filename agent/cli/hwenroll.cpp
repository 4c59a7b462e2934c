// hwenroll: the command line for people and scripts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/configuration_draft.h"
#include "agent/config/suggestion.h"

namespace {

using namespace hwenroll;

/// The parsed command line, and the command it names.
struct CommandLine {
    std::string typed;
    std::string config;
    bool json = false;
    bool no_color = false;
    std::optional<std::string> name;
    std::string target;
    std::string serial;
    std::optional<std::string> recipient_key;
    std::optional<std::string> fingerprint;
    std::string certificate;
    std::optional<double> timeout;
    std::int64_t limit = 50;
    bool wait = false;
    bool rekey = false;
    bool against_ca = false;
    cli::PurgeOptions purge;
    cli::AttestOptions attest;
    cli::CheckOptions check;
    cli::InitOptions init;
    std::function<int(const cli::CommandContext&)> run;
};

/// NO_COLOR counts when it is not empty (no-color.org).
cli::Screen screen_of_standard_output(bool no_color) {
    const char* const variable = std::getenv("NO_COLOR");
    return cli::screen_of_standard_output(!no_color && (variable == nullptr || *variable == '\0'));
}

cli::CommandContext context_of(const CommandLine& line) {
    cli::CommandContext context;
    if (!line.config.empty()) {
        context.paths = config::only(line.config);
    }
    context.typed = line.typed;
    context.output.json = line.json;
    context.output.screen = screen_of_standard_output(line.no_color);
    return context;
}

void add_configuration_commands(CLI::App& app, CommandLine& line) {
    auto* check = app.add_subcommand("check-config", "read the configuration and report every fault");
    check->callback([&] { line.run = cli::check_config; });
    auto* cat = app.add_subcommand("cat-config", "print the configuration in force, with every default and no secret");
    cat->callback([&] { line.run = cli::cat_config; });
    auto* explain = app.add_subcommand("explain", "what an error code means and what to do; without one, all codes");
    explain->add_option("CODE", line.name, "error code, e.g. E-TOKEN-PIN");
    explain->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::explain(context, line.name); }; });
}

void add_identity_commands(CLI::App& app, CommandLine& line) {
    auto* status = app.add_subcommand("status", "state of all identities, or of one with its last events");
    status->add_option("ID", line.name, "identity");
    status->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::status(context, line.name); }; });
    auto* doctor = app.add_subcommand("doctor", "look at all that the agent depends on, and say what to do");
    doctor->add_flag("--against-ca", line.against_ca, "ask each CA for its capabilities and certificates too");
    doctor->callback([&] {
        line.run = [&line](const cli::CommandContext& context) { return cli::doctor(context, line.against_ca); };
    });
    auto* report = app.add_subcommand("bugreport", "write what somebody needs who is to help; no secret is in it");
    report->add_option("--out", line.name, "new file for it, instead of hwenroll-bugreport-TIME.txt");
    report->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            return cli::bugreport(context, line.name ? std::optional<std::filesystem::path>(*line.name) : std::nullopt);
        };
    });
    auto* list = app.add_subcommand("list", "configured identities");
    list->callback([&] { line.run = cli::list; });
    auto* history = app.add_subcommand("history", "what has happened, newest first");
    history->add_option("ID", line.name, "identity; without one, everything");
    history->add_option("--limit", line.limit, "entries at most")->check(CLI::Range(1, 10'000));
    history->callback([&] {
        line.run = [&line](const cli::CommandContext& context) { return cli::history(context, line.name, line.limit); };
    });
    auto* resume = app.add_subcommand("resume", "end an identity's hold and let its token's PIN be tried again");
    resume->add_option("ID", line.target, "identity")->required();
    resume->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::resume(context, line.target); }; });
}

void add_init_command(CLI::App& app, CommandLine& line) {
    auto* init = app.add_subcommand("init", "write a first configuration, or another identity's");
    init->add_option("--url", line.init.url, "the CA's SCEP service");
    init->add_option("--ca-preset", line.init.preset, "completes a URL that is only a host: ndes, cisco-ios");
    init->add_option("--ca", line.init.ca_name, "name of the CA's section");
    init->add_option("--name", line.init.name, "name of the identity; without it, this host's");
    init->add_option("--subject", line.init.subject, "its distinguished name, as CN=web01.example.com,O=Example");
    init->add_option("--san", line.init.alt_names, "another name, as dns:web01.example.com; may be repeated");
    init->add_option("--fingerprint", line.init.fingerprint, "SHA-256 of the CA, confirmed by its operator");
    init->add_option("--module", line.init.module, "look into this PKCS#11 module only");
    init->add_option("--tcti", line.init.tcti, "look at this TPM only, as device:/dev/tpmrm0");
    init->add_option("--token", line.init.token, "label, serial number or URI of the token, or tpm2");
    init->add_option("--key", line.init.key, "rsa:2048, rsa:3072, rsa:4096, ec:p256, ec:p384 or existing:…");
    init->add_option("--envelope", line.init.envelope, "how replies reach an EC key: agree, password, token-rsa");
    init->add_option("--pin-file", line.init.pin_file, "file with the token's PIN; -: a line of standard input");
    init->add_option("--challenge-file", line.init.challenge_file, "file with the challenge; -: the next line of it");
    init->add_option("--state-dir", line.init.state_dir, "in place of /var/lib/hwenroll");
    init->add_option("--dir", line.init.directory, "directory of the configuration, in place of /etc/hwenroll");
    init->add_flag("--drop-in", line.init.drop_in, "let hwenrolld.service reach the token, by a drop-in of the unit");
    init->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::init(context, line.init); }; });
}

void add_monitoring_commands(CLI::App& app, CommandLine& line) {
    auto* plan = app.add_subcommand("plan", "what would be sent next, and why not if nothing is; sends nothing");
    plan->add_option("ID", line.name, "identity; without one, all");
    plan->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::plan(context, line.name); }; });
    auto* check = app.add_subcommand("check", "monitoring plugin: exit codes 0 to 3, one line, performance data");
    check->add_option("ID", line.check.identities, "identities; without one, all");
    check->add_option("-w,--warning", line.check.warning, "life left for a warning: 14d, or 15% of the lifetime");
    check->add_option("-c,--critical", line.check.critical, "life left for critical: 7d, or 7%");
    check->add_flag("--without-daemon", line.check.without_daemon, "a timer runs hwenrolld --once: none has to run");
    check->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::check(context, line.check); }; });
    auto* metrics = app.add_subcommand("metrics", "Prometheus metrics");
    metrics->add_option("--textfile", line.name, "file to write them to at once, as node_exporter collects them");
    metrics->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::metrics(context, line.name); }; });
}

void add_attest_command(CLI::App& app, CommandLine& line) {
    auto* attest = app.add_subcommand("attest", "have the TPM certify that it holds an identity's key");
    attest->add_option("ID", line.target, "identity")->required();
    attest->add_option("--nonce", line.attest.nonce, "what the verifier sent, in hexadecimal; without it a random one");
    attest->add_option("--out", line.attest.out, "directory for the evidence's files; without it they are printed");
    attest->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            return cli::attest(context, line.target, line.attest);
        };
    });
}

/// A subcommand about one identity that the running agent carries out.
CLI::App* add_agent_command(CLI::App& app, CommandLine& line, const char* name, const char* description,
                            int (*run)(const cli::CommandContext&, const CommandLine&)) {
    auto* command = app.add_subcommand(name, description);
    command->callback(
        [&line, run] { line.run = [&line, run](const cli::CommandContext& context) { return run(context, line); }; });
    return command;
}

void add_agent_commands(CLI::App& app, CommandLine& line) {
    const CLI::Range seconds(0.0, 1e9);
    auto* enroll = add_agent_command(app, line, "enroll", "enroll an identity now",
                                     [](const cli::CommandContext& context, const CommandLine& l) {
                                         return cli::enroll(context, l.target, l.wait);
                                     });
    enroll->add_option("ID", line.target, "identity")->required();
    enroll->add_flag("--wait", line.wait, "wait until it has settled");
    auto* adopt = add_agent_command(app, line, "adopt", "take over a certificate whose key is on the identity's token",
                                    [](const cli::CommandContext& context, const CommandLine& l) {
                                        return cli::adopt(context, l.target, l.certificate, l.wait);
                                    });
    adopt->add_option("ID", line.target, "identity, which has no certificate yet")->required();
    adopt->add_option("--certificate", line.certificate, "PEM file: the certificate first, then its chain")->required();
    adopt->add_flag("--wait", line.wait, "wait until it has settled");
    auto* renew = add_agent_command(app, line, "renew", "renew an identity's certificate now",
                                    [](const cli::CommandContext& context, const CommandLine& l) {
                                        return cli::renew(context, l.target, l.rekey);
                                    });
    renew->add_option("ID", line.target, "identity")->required();
    renew->add_flag("--rekey", line.rekey, "with a new key, whatever the configuration says");
    auto* wait = add_agent_command(app, line, "wait", "wait until an identity has settled",
                                   [](const cli::CommandContext& context, const CommandLine& l) {
                                       return cli::wait(context, l.target, l.timeout);
                                   });
    wait->add_option("ID", line.target, "identity")->required();
    wait->add_option("--timeout", line.timeout, "seconds; without it, as long as it takes")->check(seconds);
    auto* cancel = add_agent_command(
        app, line, "cancel", "abandon the enrollment or renewal that is under way",
        [](const cli::CommandContext& context, const CommandLine& l) { return cli::cancel(context, l.target); });
    cancel->add_option("ID", line.target, "identity")->required();
    auto* monitor = add_agent_command(
        app, line, "monitor", "print what happens as it happens",
        [](const cli::CommandContext& context, const CommandLine& l) { return cli::monitor(context, l.timeout); });
    monitor->add_option("--timeout", line.timeout, "seconds; without it, until it is interrupted")->check(seconds);
}

void add_ca_and_token_commands(CLI::App& app, CommandLine& line) {
    auto* ca = app.add_subcommand("ca", "certificate authorities");
    ca->require_subcommand(1);
    auto* show = ca->add_subcommand("show", "fingerprints of a CA and a [ca.*] block to paste; trusts nothing");
    show->add_option("TARGET", line.target, "URL, or name of a configured CA")->required();
    show->callback(
        [&] { line.run = [&line](const cli::CommandContext& context) { return cli::ca_show(context, line.target); }; });
    auto* accept = ca->add_subcommand("accept-next", "trust the successor that a CA has announced");
    accept->add_option("NAME", line.target, "name of a configured CA")->required();
    accept->add_option("--fingerprint", line.fingerprint, "SHA-256 that it must have, as status and alert show it");
    accept->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            return cli::ca_accept_next(context, line.target, line.fingerprint);
        };
    });
    auto* crl = app.add_subcommand("crl", "certificate revocation lists");
    crl->require_subcommand(1);
    auto* fetch_crl = crl->add_subcommand("fetch", "fetch and publish now the CRLs that speak of certificates of a CA");
    fetch_crl->add_option("NAME", line.target, "name of a configured CA")->required();
    fetch_crl->callback([&] {
        line.run = [&line](const cli::CommandContext& context) { return cli::crl_fetch(context, line.target); };
    });
    auto* cert = app.add_subcommand("cert", "certificates of a CA");
    cert->require_subcommand(1);
    auto* fetch_cert = cert->add_subcommand("fetch", "ask a CA for a certificate by its serial number (GetCert)");
    fetch_cert->add_option("NAME", line.target, "name of a configured CA")->required();
    fetch_cert->add_option("SERIAL", line.serial, "in hexadecimal, as status shows it")->required();
    fetch_cert->add_option("--out", line.certificate, "file to write it to, instead of printing it");
    fetch_cert->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            const auto out =
                line.certificate.empty() ? std::nullopt : std::optional(std::filesystem::path(line.certificate));
            return cli::cert_fetch(context, line.target, line.serial, out);
        };
    });
    auto* token = app.add_subcommand("token", "tokens and their keys");
    token->require_subcommand(1);
    auto* list = token->add_subcommand("list", "tokens of the configured modules");
    list->add_option("--module", line.name, "path of a PKCS#11 module to ask instead");
    list->callback([&] {
        line.run = [&line](const cli::CommandContext& context) { return cli::token_list(context, line.name); };
    });
    auto* keys = token->add_subcommand("keys", "private keys on the configured tokens, or on one");
    keys->add_option("TOKEN", line.name, "name of a [token.*] section");
    keys->callback([&] {
        line.run = [&line](const cli::CommandContext& context) { return cli::token_keys(context, line.name); };
    });
    auto* purge = token->add_subcommand("purge", "keys on a token that nothing needs any more: show or destroy them");
    purge->add_option("TOKEN", line.target, "name of a [token.*] section")->required();
    purge->add_option("--identity", line.purge.identity, "only those of this identity");
    purge->add_option("--key", line.purge.keys, "only the key with this id, in hexadecimal; may be repeated");
    purge->add_flag("--yes", line.purge.confirmed, "destroy them; they cannot be brought back");
    purge->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            return cli::token_purge(context, line.target, line.purge);
        };
    });
}

void add_scep_commands(CLI::App& app, CommandLine& line) {
    auto* scep = app.add_subcommand("scep", "SCEP messages");
    scep->require_subcommand(1);
    auto* decode = scep->add_subcommand("decode", "print what a saved message holds");
    decode->add_option("FILE", line.target, "body of a request or reply")->required();
    decode->add_option("--recipient-key", line.recipient_key, "PEM file with a software key that opens the envelope");
    decode->callback([&] {
        line.run = [&line](const cli::CommandContext& context) {
            std::optional<std::filesystem::path> key;
            if (line.recipient_key) {
                key = *line.recipient_key;
            }
            return cli::scep_decode(context, line.target, key);
        };
    });
}

/// The command that was named, as far as words name one, and those words.
struct NamedCommand {
    const CLI::App* level = nullptr;
    std::string path;
};

NamedCommand deepest(const CLI::App& app) {
    NamedCommand named{&app, "hwenroll"};
    while (!named.level->get_subcommands().empty()) {
        named.level = named.level->get_subcommands().front();
        named.path += " " + named.level->get_name();
    }
    return named;
}

/// What is wrong with a command line of a known command, with the nearest option and the command's own help.
Error refused_line(const CLI::App& app, const CLI::ParseError& error) {
    const auto [level, path] = deepest(app);
    const std::string help = "see '" + path + " --help'";
    const auto words = app.remaining(true);
    const auto word = std::ranges::find_if(words, [](const std::string& one) { return one.starts_with('-'); });
    if (word == words.end()) {
        return Error(ErrorCode::usage, path + ": " + error.what(), {}, help);
    }
    std::vector<std::string> names;
    for (const CLI::App* one : {level, &app}) {
        for (const CLI::Option* option : one->get_options()) {
            for (const std::string& name : option->get_lnames()) {
                names.push_back("--" + name);
            }
        }
    }
    const std::string option = word->substr(0, word->find('='));
    const std::string near = config::nearest(option, names);
    return Error(ErrorCode::usage, "'" + path + "' has no option '" + printable(option) + "'", {},
                 near.empty() ? help : "did you mean '" + near + "'? " + help);
}

/// The words that are no command, where one is expected: `--help` beside them is no answer. Nothing: all are known.
std::optional<Error> unknown_command(const CLI::App& app) {
    const auto [level, path] = deepest(app);
    const auto words = app.remaining(true);
    const auto word =
        std::ranges::find_if(words, [](const std::string& one) { return !one.empty() && !one.starts_with('-'); });
    const auto commands = level->get_subcommands([](const CLI::App* /*command*/) { return true; });
    if (word == words.end() || commands.empty()) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    names.reserve(commands.size());
    for (const CLI::App* command : commands) {
        names.push_back(command->get_name());
    }
    const std::string near = config::nearest(*word, names);
    return Error(ErrorCode::usage, "there is no command '" + printable(path + " " + *word) + "'", {},
                 near.empty() ? "see '" + path + " --help'" : "did you mean '" + path + " " + near + "'?");
}

std::string typed_line(int argc, char** argv) {
    std::string line = "hwenroll";
    for (int i = 1; i < argc; ++i) {
        line += ' ' + cli::shell_word(argv[i]);
    }
    return line;
}

int run(int argc, char** argv) {
    CommandLine line;
    line.typed = typed_line(argc, argv);
    CLI::App app("keeps identity certificates alive whose keys never leave their token", "hwenroll");
    app.set_version_flag("--version", "hwenroll " HWENROLL_VERSION);
    app.add_option("--config", line.config, "configuration file, instead of /etc/hwenroll")->type_name("FILE");
    app.add_flag("--json", line.json, "print JSON with a versioned schema");
    app.add_flag("--no-color", line.no_color, "no colours, even on a terminal");
    app.require_subcommand(1);
    app.fallthrough();
    add_init_command(app, line);
    add_configuration_commands(app, line);
    add_identity_commands(app, line);
    add_monitoring_commands(app, line);
    add_attest_command(app, line);
    add_agent_commands(app, line);
    add_ca_and_token_commands(app, line);
    add_scep_commands(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (const auto unknown = unknown_command(app)) {
            return cli::report(context_of(line), *unknown);
        }
        if (error.get_exit_code() == 0) {
            return app.exit(error);
        }
        const Error usage = refused_line(app, error);
        return app.got_subcommand("check") ? cli::refused_check(context_of(line), usage)
                                           : cli::report(context_of(line), usage);
    }
    return line.run(context_of(line));
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) {
        // Nothing of ours throws; what a library throws (memory) ends here with a code instead of a core.
        std::fputs((Error(ErrorCode::internal, "an unexpected failure", exception.what()).line() + "\n").c_str(),
                   stderr);
        return error_info(ErrorCode::internal).exit_code;
    }
}
