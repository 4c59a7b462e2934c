#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/ca_choice.h"
#include "agent/cli/commands.h"
#include "agent/cli/configuration_draft.h"
#include "agent/cli/init_dialogue.h"
#include "agent/cli/new_files.h"
#include "agent/cli/new_secrets.h"
#include "agent/cli/next_command.h"
#include "agent/cli/proposed_command.h"
#include "agent/cli/section_name.h"
#include "agent/cli/service_access.h"
#include "agent/cli/terminal.h"
#include "agent/cli/token_choice.h"
#include "agent/config/configuration_reader.h"
#include "agent/config/drop_ins.h"
#include "agent/config/value_syntax.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t configuration_mode = 0644;
constexpr mode_t secret_mode = 0600;

std::string text_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// One run of `init`, step by step.
class Init {
 public:
    Init(const CommandContext& context, const InitOptions& options) : dialogue_(context, options) {}

    int run() {
        const Status done = steps();
        if (done) {
            tell();
            return 0;
        }
        report(dialogue_.context(), done.error());
        for (const std::string& next : dialogue_.next) {
            std::fputs(("next: " + proposed(next) + "\n").c_str(), stderr);
        }
        return done.error().info().exit_code;
    }

 private:
    Status steps() {
        for (const auto step :
             {&Init::locate, &Init::name_identity, &Init::choose_ca, &Init::take_token, &Init::choose_pin,
              &Init::choose_challenge, &Init::choose_drop_in, &Init::check, &Init::write}) {
            if (Status done = (this->*step)(); !done) {
                return done;
            }
        }
        return {};
    }

    /// Where the files go, and what is there.
    Status locate() {
        paths_ = dialogue_.context().paths;
        if (dialogue_.options.directory) {
            paths_ = {fs::path(*dialogue_.options.directory) / "hwenroll.toml",
                      fs::path(*dialogue_.options.directory) / "conf.d"};
        }
        std::error_code failure;
        paths_.main = fs::absolute(paths_.main, failure);
        target_ = paths_.main;
        if (fs::symlink_status(paths_.main, failure).type() == fs::file_type::not_found) {
            draft_.state_dir = dialogue_.options.state_dir;
            // A fleet may bring its identities before the first command is typed here.
            auto drop_ins = config::load_drop_ins(paths_);
            if (!drop_ins) {
                dialogue_.next = {"ls " + shell_word(paths_.drop_ins.string())};
                return fail(drop_ins.error());
            }
            existing_ = *std::move(drop_ins);
            return {};
        }
        if (dialogue_.is_single_file() && !dialogue_.options.directory) {
            dialogue_.next = {"hwenroll check-config"};
            return fail(ErrorCode::usage, paths_.main.string() + " is there already", {},
                        "it is left as it is; name another file");
        }
        auto existing = config::load(paths_);
        if (!existing) {
            dialogue_.next = {"hwenroll check-config"};
            return fail(existing.error());
        }
        existing_ = *std::move(existing);
        draft_.has_agent = false;
        return {};
    }

    Status name_identity() {
        const config::HostFacts facts = config::read_host_facts(false);
        draft_.identity = dialogue_.options.name.value_or(section_name(facts.hostname.value_or(""), "host"));
        if (!config::is_part_name(draft_.identity)) {
            dialogue_.next = {dialogue_.command_with("--name web")};
            return fail(ErrorCode::usage, "'" + draft_.identity + "' is no name for an identity", {},
                        "use small letters, digits and . _ -");
        }
        if (all_names(existing_).contains(draft_.identity)) {
            dialogue_.next = {dialogue_.command_with("--name another")};
            if (!dialogue_.options.directory) {
                dialogue_.next.insert(dialogue_.next.begin(), "hwenroll plan " + draft_.identity);
            }
            return fail(ErrorCode::usage, "there is an identity '" + draft_.identity + "' already", {},
                        "it is left as it is; choose another name");
        }
        if (!draft_.has_agent) {
            target_ = paths_.drop_ins / (draft_.identity + ".toml");
        }
        draft_.alt_names = dialogue_.options.alt_names;
        draft_.key = dialogue_.options.key.value_or("rsa:2048");
        const auto dns =
            std::ranges::find_if(draft_.alt_names, [](const std::string& name) { return name.starts_with("dns:"); });
        draft_.subject = dialogue_.options.subject.value_or(
            dns == draft_.alt_names.end() ? std::string("CN=${hostname}") : "CN=" + dns->substr(4));
        return {};
    }

    Status choose_ca() {
        if (!dialogue_.options.url && dialogue_.asks()) {
            dialogue_.options.url = ask("URL of the CA's SCEP service:");
        }
        if (!dialogue_.options.url || dialogue_.options.url->empty()) {
            dialogue_.next = {dialogue_.command_with("--url http://ca.example.com/scep")};
            return fail(ErrorCode::usage, "no CA is named", {}, "give its URL by --url");
        }
        if (dialogue_.options.preset && !is_preset(*dialogue_.options.preset)) {
            const std::string unknown = std::exchange(dialogue_.options.preset, std::nullopt).value();
            dialogue_.next = {dialogue_.command_with("--ca-preset ndes")};
            return fail(ErrorCode::usage, "'" + unknown + "' is no preset", {}, "use ndes or cisco-ios");
        }
        const auto clock = runtime::make_clock();
        if (!clock) {
            return fail(clock.error());
        }
        CaQuestion question{*dialogue_.options.url,
                            dialogue_.options.preset.value_or(""),
                            dialogue_.options.fingerprint,
                            dialogue_.options.envelope,
                            draft_.key,
                            dialogue_.options.ca_name,
                            existing_,
                            (*clock)->now()};
        auto answer = ask_for_choice(question);
        if (!answer) {
            dialogue_.next = after_refused_ca(question, answer.error().code());
            return fail(answer.error());
        }
        dialogue_.say(to_text(*answer));
        if (answer->pin == nullptr) {
            dialogue_.next = {dialogue_.command_with("--fingerprint SHA256:…")};
            return fail(ErrorCode::ca_fingerprint, "the answer has no certificate that could be proposed to be trusted",
                        "it has no CA that issues, or several", "ask the CA's operator for the right fingerprint");
        }
        if (!answer->confirmed && !confirm(*answer)) {
            // Never the one that was received: whoever pastes what is shown would confirm it unread.
            dialogue_.next = {dialogue_.command_with("--fingerprint SHA256:…")};
            return fail(dialogue_.asks() ? ErrorCode::ca_fingerprint : ErrorCode::usage,
                        dialogue_.asks() ? "the fingerprint was not confirmed, nothing is written"
                                         : "nobody has confirmed the CA's fingerprint, nothing is written",
                        "the CA sent " + fingerprint_of(*answer->pin),
                        "ask the CA's operator for the right one, compare, and give the operator's by --fingerprint");
        }
        auto ca = draft_of(*answer, question);
        if (!ca) {
            const bool by_option = ca.error().code() == ErrorCode::usage;
            dialogue_.next = {by_option ? dialogue_.command_with("--envelope agree")
                                        : "hwenroll ca show " + shell_word(answer->settings.urls.front())};
            return fail(ca.error());
        }
        draft_.ca = *std::move(ca);
        for (const std::string& entry : draft_.ca.weak) {
            dialogue_.say("note: the CA seems to need legacy = \"" + entry +
                          "\"; the file has it as a comment that explains it");
        }
        return {};
    }

    /// Never the command that has just failed: what differs from it, or what explains it.
    [[nodiscard]] std::vector<std::string> after_refused_ca(const CaQuestion& question, ErrorCode code) const {
        if (code == ErrorCode::ca_fingerprint) {
            return {"hwenroll ca show " + shell_word(url_of(question)),
                    dialogue_.command_with("--fingerprint SHA256:…")};
        }
        if (code != ErrorCode::usage) {
            return {"hwenroll explain " + std::string(error_info(code).name)};
        }
        if (question.fingerprint && !config::parse_fingerprint(*question.fingerprint)) {
            return {dialogue_.command_with("--fingerprint SHA256:…")};
        }
        const std::string good = config::without_operation(question.url);
        const bool helps = good != question.url && config::parse_scep_url(good);
        return {dialogue_.command_with("--url " + (helps ? shell_word(good) : "http://ca.example.com/scep"))};
    }

    [[nodiscard]] bool confirm(const CaChoice& choice) const {
        if (!dialogue_.asks()) {
            return false;
        }
        dialogue_.say(
            "\nNothing of this is authenticated. Compare this SHA-256 with the CA's operator, letter by letter:\n  " +
            fingerprint_of(*choice.pin));
        return ask("Is it the right one? Type yes to trust it:").value_or("") == "yes";
    }

    Status take_token() {
        auto choice = choose_token(dialogue_, existing_);
        if (!choice) {
            return fail(choice.error());
        }
        draft_.token = std::move(choice->section);
        needs_ = std::move(choice->needs);
        return {};
    }

    Status choose_pin() {
        if (draft_.token.known || !draft_.token.needs_pin) {
            return {};
        }
        auto source = secrets_.source("PIN of token '" + printable(draft_.token.name) + "'", dialogue_.options.pin_file,
                                      paths_.main.parent_path() / (draft_.token.name + ".pin"), false);
        if (!source) {
            dialogue_.next = {dialogue_.command_with(
                "--pin-file " + shell_word((paths_.main.parent_path() / (draft_.token.name + ".pin")).string()))};
            return fail(source.error());
        }
        draft_.token.pin = *std::move(source);
        return {};
    }

    Status choose_challenge() {
        if (draft_.ca.known) {
            return {};
        }
        const fs::path usual = paths_.main.parent_path() / (draft_.ca.name + ".challenge");
        const bool needed = draft_.ca.envelope == "password" || draft_.ca.envelope == "token-rsa";
        auto source = secrets_.source("Challenge password of the CA", dialogue_.options.challenge_file, usual, !needed);
        if (!source) {
            dialogue_.next = {dialogue_.command_with("--challenge-file " + shell_word(usual.string()))};
            return fail(source.error());
        }
        draft_.ca.challenge = source->empty() ? std::nullopt : std::optional(*std::move(source));
        draft_.ca.challenge_example = "file:" + usual.string();
        return {};
    }

    /// Whether hwenrolld.service may use the token, and what is written so that it may.
    Status choose_drop_in() {
        const auto grants = draft_.token.known || dialogue_.is_single_file() || dialogue_.options.directory
                                ? std::vector<ServiceGrants>()
                                : service_grants();
        if (grants.empty()) {
            if (dialogue_.options.drop_in && !draft_.token.known) {
                dialogue_.options.drop_in = false;
                dialogue_.next = {dialogue_.command_with("")};
                return fail(
                    ErrorCode::usage, "there is no hwenrolld.service that --drop-in could be for",
                    "this is not root, systemd does not run here, or another directory than /etc/hwenroll is used",
                    "leave the option out, or run it as root where the package is installed");
            }
            return {};
        }
        ServiceGrants granted = grants.front();
        auto missing = missing_drop_ins(draft_.token.name, needs_, grants);
        if (!missing.empty()) {
            if (!dialogue_.options.drop_in && dialogue_.asks()) {
                dialogue_.say(fmt::format("\n{} may not use this token yet.",
                                          missing.front().path.parent_path().stem().string()));
                for (const DropIn& drop_in : missing) {
                    dialogue_.say(fmt::format("It needs {}:\n{}", drop_in.path.string(), drop_in.text));
                }
                dialogue_.options.drop_in = ask("Type yes to have it written:").value_or("") == "yes";
            }
            if (!dialogue_.options.drop_in) {
                access_ = missing_access(draft_.token.name, needs_, grants);
                return {};
            }
            drop_ins_ = std::move(missing);
            granted.groups.push_back(needs_.group);
        }
        access_ = closed_objects(needs_, granted);
        return {};
    }

    /// What was typed with another value for what a finding names, or what explains it.
    [[nodiscard]] std::string after_refused_value(std::string_view what) const {
        constexpr std::array<std::array<std::string_view, 2>, 6> options{
            {{"'subject'", "--subject CN=web01.example.com"},
             {"'san'", "--san dns:web01.example.com"},
             {"'key'", "--key rsa:2048"},
             {"'envelope'", "--envelope agree"},
             {"'state_dir'", "--state-dir /var/lib/hwenroll"},
             {"'url'", "--url http://ca.example.com/scep"}}};
        for (const auto& [key, option] : options) {
            if (what.find(key) != std::string_view::npos) {
                return dialogue_.command_with(std::string(option));
            }
        }
        return "hwenroll explain E-CONFIG-VALUE";
    }

    /// By what reads the configuration at the agent's start; nothing is written before.
    Status check() {
        text_ = configuration_text(draft_);
        std::vector<config::SourceText> sources{
            {paths_.main.string(), draft_.has_agent ? text_ : text_of(paths_.main)}};
        for (const fs::path& file : existing_.files) {
            if (file != paths_.main) {
                sources.push_back({file.string(), text_of(file)});
            }
        }
        if (!draft_.has_agent) {
            sources.push_back({target_.string(), text_});
        }
        const bool uses_fqdn =
            text_.find("\nsubject = \"") != std::string::npos && draft_.subject.find("${fqdn}") != std::string::npos;
        const auto read = config::read_configuration(sources, config::read_host_facts(uses_fqdn));
        if (!read) {
            dialogue_.next = {"hwenroll explain " + std::string(read.error().info().name)};
            return fail(read.error());
        }
        for (const config::Finding& finding : read->findings) {
            const bool known = std::ranges::any_of(existing_.findings, [&](const config::Finding& before) {
                return before.error.line() == finding.error.line();
            });
            if (!known) {
                dialogue_.next = {after_refused_value(finding.error.what())};
                return fail(finding.error);
            }
        }
        return {};
    }

    /// The configuration comes last: it may be what starts the agent.
    Status write() {
        make_configuration_directory(target_.parent_path());
        std::error_code failure;
        for (const DropIn& drop_in : drop_ins_) {
            fs::create_directories(drop_in.path.parent_path(), failure);
            if (Status kept = add(drop_in.path, drop_in.text, configuration_mode); !kept) {
                return kept;
            }
        }
        if (!drop_ins_.empty()) {
            units_read_ = true;
            if (const std::string said = reload_units(); !said.empty()) {
                reload_ = "systemd could not read its units again: " + printable(said) +
                          "\n  systemctl daemon-reload && systemctl restart hwenrolld";
            }
        }
        for (const SecretFile& secret : secrets_.files()) {
            const std::string_view content = as_text(secret.content.reveal());
            if (Status kept = add(secret.path, content, secret_mode, secrets_.owner()); !kept) {
                return kept;
            }
        }
        starts_ = draft_.has_agent && !dialogue_.is_single_file() && !dialogue_.options.directory &&
                  starts_with_configuration();
        return add(target_, text_, configuration_mode);
    }

    Status add(const fs::path& path, std::string_view content, mode_t mode, std::optional<FileOwner> owner = {}) {
        Status written = files_.add(path, content, mode, owner);
        if (written) {
            return written;
        }
        const Error& error = written.error();
        dialogue_.next = {before_writing(path, dialogue_.command_with(""))};
        // The drop-ins are gone again, and systemd goes by what it has read.
        if (units_read_ && !reload_units().empty()) {
            dialogue_.next.insert(dialogue_.next.begin(), "systemctl daemon-reload");
        }
        return fail(Error(error.code(), error.what(), error.why(),
                          fmt::format("{}; {}", error.next(), what_is_left(path, target_, files_.removed()))));
    }

    /// Where the configuration starts the agent, the next command may be one that needs it.
    [[nodiscard]] bool has_started() const {
        constexpr int tries = 100;
        for (int i = 0; starts_ && i < tries; ++i) {
            if (const auto agent = connect_if_running(paths_); agent && *agent) {
                return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    }

    [[nodiscard]] std::string proposed(const std::string& command) const {
        return proposed_command(proposal_ground(paths_), command);
    }

    [[nodiscard]] std::vector<std::string> next_commands() const {
        const std::string name = shell_word(draft_.identity);
        if (dialogue_.options.directory && !existing_.files.empty()) {
            // --config names one file, and what is configured there stands in several.
            const std::string all = shell_word((paths_.main.parent_path() / "all.toml").string());
            return {fmt::format("cat {} {}/*.toml >{}", shell_word(paths_.main.string()),
                                shell_word(paths_.drop_ins.string()), all),
                    "hwenroll doctor --config " + all, "hwenrolld --once --config " + all};
        }
        if (dialogue_.is_single_file() || dialogue_.options.directory) {
            return {proposed("hwenroll doctor"), proposed("hwenrolld --once")};
        }
        std::vector<std::string> next;
        if (access_) {
            next.push_back(access_->command);
        }
        next.emplace_back("hwenroll doctor");
        if (!started_) {
            const auto agent = connect_if_running(paths_);
            next.push_back(
                proposed(!agent || *agent ? "systemctl reload hwenrolld" : "systemctl enable --now hwenrolld"));
        }
        next.push_back("hwenroll enroll " + name + " --wait");
        return next;
    }

    /// What a person has to do beside.
    [[nodiscard]] std::vector<std::string> missing() const {
        std::vector<std::string> all = secrets_.missing();
        if (!reload_.empty()) {
            all.push_back(reload_);
        }
        return all;
    }

    void tell() {
        if (starts_ && !dialogue_.context().output.json) {
            dialogue_.say("hwenrolld starts with the configuration; this waits for it, for 10 s at most");
        }
        started_ = has_started();
        if (dialogue_.context().output.json) {
            print_json("init", {{"identity", draft_.identity},
                                {"ca", draft_.ca.name},
                                {"token", draft_.token.name},
                                {"written", files_.written()},
                                {"missing", missing()},
                                {"next", next_commands()}});
            return;
        }
        dialogue_.say("");
        for (const std::string& path : files_.written()) {
            dialogue_.say("written: " + path);
        }
        for (const std::string& one : missing()) {
            dialogue_.say(one);
        }
        if (started_) {
            dialogue_.say("hwenrolld has started: it begins at once, and goes on by itself");
        }
        if (access_) {
            dialogue_.say("hwenrolld may not use the token yet: " + access_->why);
        }
        const char* word = "next: ";
        for (const std::string& next : next_commands()) {
            dialogue_.say(word + next);
            word = "then: ";
        }
    }

    InitDialogue dialogue_;
    config::ConfigurationPaths paths_;
    fs::path target_;
    config::Configuration existing_;
    ConfigurationDraft draft_;
    std::string text_;
    ServiceNeeds needs_;
    std::optional<ServiceStep> access_;  ///< what keeps the service from the token
    std::vector<DropIn> drop_ins_;       ///< of the units; empty: none is written
    bool units_read_ = false;            ///< systemd has read them
    bool starts_ = false;                ///< systemd starts the agent when the configuration is there
    bool started_ = false;
    NewSecrets secrets_{dialogue_};
    NewFiles files_;
    std::string reload_;  ///< what a person has to do because systemd refused to
};

}  // namespace

int init(const CommandContext& context, const InitOptions& options) {
    return Init(context, options).run();
}

}  // namespace hwenroll::cli
