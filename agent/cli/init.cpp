#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <pwd.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/ca_choice.h"
#include "agent/cli/commands.h"
#include "agent/cli/configuration_draft.h"
#include "agent/cli/found_tokens.h"
#include "agent/cli/next_command.h"
#include "agent/cli/output_file.h"
#include "agent/cli/secret_file_command.h"
#include "agent/cli/service_access.h"
#include "agent/cli/terminal.h"
#include "agent/config/configuration_reader.h"
#include "agent/config/drop_ins.h"
#include "agent/config/value_syntax.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* agent_user = "hwenroll";
constexpr mode_t configuration_mode = 0644;
constexpr mode_t secret_mode = 0600;
constexpr auto directory_permissions = static_cast<fs::perms>(0755);

/// A file that is to be written with the configuration.
struct SecretFile {
    fs::path path;
    Secret content;
};

std::string text_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// A name for a section: what a label has that a name may have.
std::string section_name(std::string_view label, const std::string& otherwise) {
    std::string name;
    for (const char c : label) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        name += (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ? lower : '-';
    }
    name.erase(0, name.find_first_not_of('-'));
    name.erase(name.find_last_not_of('-') + 1);
    name.resize(std::min<std::size_t>(name.size(), 32));
    return config::is_part_name(name) ? name : otherwise;
}

/// `name`, or with a number, so that `sections` has none of it.
template <class Sections>
std::string unused_name(const std::string& name, const Sections& sections) {
    std::string unused = name;
    for (int number = 2; sections.contains(unused); ++number) {
        unused = fmt::format("{}-{}", name, number);
    }
    return unused;
}

/// One run of `init`. A step that fails leaves in `next_` what to type then.
class Init {
 public:
    Init(const CommandContext& context, const InitOptions& options)
        : context_(context), options_(options), asks_(is_interactive() && !context.output.json) {}

    int run() {
        const Status done = steps();
        if (done) {
            tell();
            return 0;
        }
        report(done.error());
        for (const std::string& next : next_) {
            std::fputs(("next: " + next + "\n").c_str(), stderr);
        }
        return done.error().info().exit_code;
    }

 private:
    Status steps() {
        for (const auto step :
             {&Init::locate, &Init::name_identity, &Init::choose_ca, &Init::choose_token, &Init::choose_pin,
              &Init::choose_challenge, &Init::choose_drop_in, &Init::check, &Init::write}) {
            if (Status done = (this->*step)(); !done) {
                return done;
            }
        }
        return {};
    }

    void say(const std::string& text) const {
        if (!context_.output.json) {
            std::fputs((text + "\n").c_str(), stdout);
            std::fflush(stdout);
        }
    }

    /// The command that was typed, with more options.
    [[nodiscard]] std::string command_with(const std::string& more) const {
        std::string out = "hwenroll init";
        const auto add = [&](const char* option, const std::optional<std::string>& value) {
            if (value && more.find(std::string(option) + " ") == std::string::npos) {
                ((out += ' ') += option) += ' ' + shell_word(*value);
            }
        };
        add("--url", options_.url);
        add("--ca-preset", options_.preset);
        add("--ca", options_.ca_name);
        add("--name", options_.name);
        add("--subject", options_.subject);
        for (const std::string& name : options_.alt_names) {
            add("--san", name);
        }
        add("--fingerprint", options_.fingerprint);
        add("--module", options_.module);
        add("--tcti", options_.tcti);
        add("--token", options_.token);
        add("--key", options_.key);
        add("--envelope", options_.envelope);
        add("--pin-file", options_.pin_file);
        add("--challenge-file", options_.challenge_file);
        add("--state-dir", options_.state_dir);
        add("--dir", options_.directory);
        if (is_single_file()) {
            add("--config", context_.paths.main.string());
        }
        out += options_.drop_in ? " --drop-in" : "";
        return more.empty() ? out : out + ' ' + more;
    }

    [[nodiscard]] bool is_single_file() const { return context_.paths.drop_ins.empty(); }

    /// Where the files go, and what is there.
    Status locate() {
        paths_ = context_.paths;
        if (options_.directory) {
            paths_ = {fs::path(*options_.directory) / "hwenroll.toml", fs::path(*options_.directory) / "conf.d"};
        }
        std::error_code failure;
        paths_.main = fs::absolute(paths_.main, failure);
        target_ = paths_.main;
        if (fs::symlink_status(paths_.main, failure).type() == fs::file_type::not_found) {
            draft_.state_dir = options_.state_dir;
            // A fleet may bring its identities before the first command is typed here.
            auto drop_ins = config::load_drop_ins(paths_);
            if (!drop_ins) {
                next_ = {"ls " + shell_word(paths_.drop_ins.string())};
                return fail(drop_ins.error());
            }
            existing_ = *std::move(drop_ins);
            return {};
        }
        if (is_single_file() && !options_.directory) {
            next_ = {"hwenroll check-config --config " + shell_word(paths_.main.string())};
            return fail(ErrorCode::usage, paths_.main.string() + " is there already", {},
                        "it is left as it is; name another file");
        }
        auto existing = config::load(paths_);
        if (!existing) {
            next_ = {"hwenroll check-config"};
            return fail(existing.error());
        }
        existing_ = *std::move(existing);
        draft_.has_agent = false;
        return {};
    }

    Status name_identity() {
        const config::HostFacts facts = config::read_host_facts(false);
        draft_.identity = options_.name.value_or(section_name(facts.hostname.value_or(""), "host"));
        if (!config::is_part_name(draft_.identity)) {
            next_ = {command_with("--name web")};
            return fail(ErrorCode::usage, "'" + draft_.identity + "' is no name for an identity", {},
                        "use small letters, digits and . _ -");
        }
        if (all_names(existing_).contains(draft_.identity)) {
            next_ = {"hwenroll plan " + draft_.identity, command_with("--name another")};
            return fail(ErrorCode::usage, "there is an identity '" + draft_.identity + "' already", {},
                        "it is left as it is; choose another name");
        }
        if (!draft_.has_agent) {
            target_ = paths_.drop_ins / (draft_.identity + ".toml");
        }
        draft_.alt_names = options_.alt_names;
        draft_.key = options_.key.value_or("rsa:2048");
        const auto dns =
            std::ranges::find_if(draft_.alt_names, [](const std::string& name) { return name.starts_with("dns:"); });
        draft_.subject = options_.subject.value_or(dns == draft_.alt_names.end() ? std::string("CN=${hostname}")
                                                                                 : "CN=" + dns->substr(4));
        return {};
    }

    Status choose_ca() {
        if (!options_.url && asks_) {
            options_.url = ask("URL of the CA's SCEP service:");
        }
        if (!options_.url || options_.url->empty()) {
            next_ = {command_with("--url http://ca.example.com/scep")};
            return fail(ErrorCode::usage, "no CA is named", {}, "give its URL by --url");
        }
        if (options_.preset && !is_preset(*options_.preset)) {
            const std::string unknown = std::exchange(options_.preset, std::nullopt).value();
            next_ = {command_with("--ca-preset ndes")};
            return fail(ErrorCode::usage, "'" + unknown + "' is no preset", {}, "use ndes or cisco-ios");
        }
        const auto clock = runtime::make_clock();
        if (!clock) {
            return fail(clock.error());
        }
        CaQuestion question{*options_.url,
                            options_.preset.value_or(""),
                            options_.fingerprint,
                            options_.envelope,
                            draft_.key,
                            options_.ca_name,
                            existing_,
                            (*clock)->now()};
        auto answer = ask_for_choice(question);
        if (!answer) {
            next_ = {command_with("")};
            if (answer.error().code() == ErrorCode::ca_fingerprint) {
                next_ = {"hwenroll ca show " + shell_word(url_of(question)), command_with("--fingerprint SHA256:…")};
            }
            return fail(answer.error());
        }
        say(to_text(*answer));
        if (answer->pin == nullptr) {
            next_ = {command_with("--fingerprint SHA256:…")};
            return fail(ErrorCode::ca_fingerprint, "the answer has no certificate that could be proposed to be trusted",
                        "it has no CA that issues, or several", "ask the CA's operator for the right fingerprint");
        }
        if (!answer->confirmed && !confirm(*answer)) {
            // Never the one that was received: whoever pastes what is shown would confirm it unread.
            next_ = {command_with("--fingerprint SHA256:…")};
            return fail(asks_ ? ErrorCode::ca_fingerprint : ErrorCode::usage,
                        asks_ ? "the fingerprint was not confirmed, nothing is written"
                              : "nobody has confirmed the CA's fingerprint, nothing is written",
                        "the CA sent " + fingerprint_of(*answer->pin),
                        "ask the CA's operator for the right one, compare, and give the operator's by --fingerprint");
        }
        auto ca = draft_of(*answer, question);
        if (!ca) {
            next_ = {"hwenroll ca show " + shell_word(answer->settings.urls.front())};
            return fail(ca.error());
        }
        draft_.ca = *std::move(ca);
        for (const std::string& entry : draft_.ca.weak) {
            say("note: the CA seems to need legacy = \"" + entry + "\"; the file has it as a comment that explains it");
        }
        return {};
    }

    [[nodiscard]] bool confirm(const CaChoice& choice) const {
        if (!asks_) {
            return false;
        }
        say("\nNothing of this is authenticated. Compare this SHA-256 with the CA's operator, letter by letter:\n  " +
            fingerprint_of(*choice.pin));
        return ask("Is it the right one? Type yes to trust it:").value_or("") == "yes";
    }

    Status choose_token() {
        if (const auto known = existing_.tokens.find(options_.token.value_or("")); known != existing_.tokens.end()) {
            use_known(known->first);
            return {};
        }
        if (options_.tcti) {
            if (const auto parsed = config::parse_tcti(*options_.tcti); !parsed) {
                const std::string refused = std::exchange(options_.tcti, std::nullopt).value();
                next_ = {command_with("--tcti device:/dev/tpmrm0")};
                return fail(ErrorCode::usage, "'" + refused + "' " + std::string(parsed.error().what()), {},
                            std::string(parsed.error().next()));
            }
        }
        say("\nlooking for tokens ...");
        TokenSearch search = find_tokens(options_.module, options_.tcti);
        const bool any = !search.tokens.empty();
        if (options_.token) {
            std::erase_if(search.tokens, [&](const FoundToken& one) { return !is_meant(one, *options_.token); });
        }
        if (search.tokens.empty()) {
            return no_token(search, any);
        }
        if (search.tokens.size() > 1) {
            if (Status chosen = choose_among(search.tokens); !chosen) {
                return chosen;
            }
        }
        use(search.tokens.front());
        return {};
    }

    /// `any`: there are others than the one that is meant.
    Status no_token(const TokenSearch& search, bool any) {
        std::vector<std::string> why;
        for (const Error& failure : search.failures) {
            why.push_back(failure.line());
        }
        std::vector<std::string> asked = search.modules;
        asked.insert(asked.end(), search.tpms.begin(), search.tpms.end());
        if (asked.empty()) {
            why.emplace_back("no PKCS#11 module and no /dev/tpmrm0 is on this machine");
        }
        const bool software = std::ranges::any_of(
            search.modules, [](const std::string& module) { return module.find("softhsm") != std::string::npos; });
        if (asked.empty()) {
            next_ = {"apt install softhsm2"};
        } else if (search.modules.empty()) {
            next_ = {};  // a TPM that does not answer
        } else if (!any && (software || !options_.token)) {
            next_ = {"softhsm2-util --init-token --free --label " + shell_word(options_.token.value_or("hwenroll"))};
        } else {
            next_ = {"hwenroll token list --module " + shell_word(search.modules.front())};
        }
        next_.push_back(command_with(options_.module || options_.tcti ? "" : "--module /path/to/module.so"));
        return fail(ErrorCode::token_absent,
                    options_.token ? "no token is '" + *options_.token + "'" : std::string("no token was found"),
                    fmt::format("asked: {}{}{}", fmt::join(asked, " "), why.empty() ? "" : "; ", fmt::join(why, "; ")),
                    "plug it in, or initialise one, a software token for a trial");
    }

    /// Leaves the chosen one.
    Status choose_among(std::vector<FoundToken>& tokens) {
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            say(fmt::format("  {}  {}", i + 1, describe(tokens[i])));
            next_.push_back(command_with("--token " + shell_word(tokens[i].choice())));
        }
        const std::string answer =
            asks_ ? ask(fmt::format("Which token is to hold the key? 1 to {}:", tokens.size())).value_or("")
                  : std::string();
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (answer == std::to_string(i + 1)) {
                next_.clear();
                tokens = {std::move(tokens[i])};
                return {};
            }
        }
        return fail(ErrorCode::usage,
                    asks_ ? "no token was chosen, nothing is written"
                          : fmt::format("there are {} tokens, nothing is written", tokens.size()),
                    {}, "say which one by --token");
    }

    static std::string describe(const FoundToken& token) {
        const keystore::TokenDescription& about = token.description;
        return token.module.empty()
                   ? fmt::format("TPM 2.0 at {}", token.tcti)
                   : fmt::format("'{}' ({} {}, serial {}) by {}", printable(about.label), printable(about.manufacturer),
                                 printable(about.model), printable(about.serial), token.module);
    }

    void use(const FoundToken& token) {
        for (const auto& [name, settings] : existing_.tokens) {
            if (token.module.empty() ? settings.tcti == token.tcti
                                     : settings.module == token.module && is_meant(token, settings.uri)) {
                return use_known(name);
            }
        }
        say("token: " + describe(token));
        draft_.token.description = describe(token);
        draft_.token.module = token.module;
        draft_.token.tcti = token.tcti;
        draft_.token.uri = token.module.empty() ? std::string() : token.description.uri;
        needs_ = service_needs(token.module, token.tcti, token.description.serial);
        draft_.token.needs_pin = !token.module.empty() && token.description.login_required;
        draft_.token.name =
            unused_name(token.module.empty() ? std::string("tpm") : section_name(token.description.label, "token"),
                        existing_.tokens);
    }

    void use_known(const std::string& name) {
        say("token: [token." + name + "] is configured already");
        draft_.token.name = name;
        draft_.token.known = true;
    }

    /// Where a secret comes from, and who writes it there. `what` begins a sentence for people.
    Result<std::string> secret_source(const std::string& what, const std::optional<std::string>& option,
                                      const fs::path& usual, bool optional) {
        if (option && *option != "-") {
            auto path = config::parse_path(*option);
            if (!path) {
                return fail(ErrorCode::usage, "'" + *option + "' " + std::string(path.error().what()));
            }
            note_missing(*path);
            return "file:" + path->string();
        }
        std::error_code failure;
        const bool there = fs::exists(usual, failure);
        if (!option && there) {
            return "file:" + usual.string();
        }
        if (option && there) {
            return fail(ErrorCode::usage, usual.string() + " is there already", {},
                        "it is left as it is; leave the option out to use it, or move it away");
        }
        auto secret = option  ? read_secret_line(what)
                      : asks_ ? ask_secret(fmt::format("{} (it is not shown; nothing: {}):", what,
                                                       optional ? "there is none" : "put it into a file later"))
                              : Result<Secret>(Secret());
        if (!secret) {
            return fail(secret.error());
        }
        if (!secret->empty()) {
            secrets_.push_back({usual, *std::move(secret)});
            return "file:" + usual.string();
        }
        if (optional) {
            return std::string();
        }
        note_missing(usual);
        return "file:" + usual.string();
    }

    void note_missing(const fs::path& path) {
        std::error_code failure;
        if (!fs::exists(path, failure)) {
            missing_.push_back(fmt::format("{} is not there yet; this asks for it:\n  {}", path.string(),
                                           secret_file_command(path, secrets_owner() ? agent_user : "")));
        }
    }

    Status choose_pin() {
        if (draft_.token.known || !draft_.token.needs_pin) {
            return {};
        }
        auto source = secret_source("PIN of token '" + printable(draft_.token.name) + "'", options_.pin_file,
                                    paths_.main.parent_path() / (draft_.token.name + ".pin"), false);
        if (!source) {
            next_ = {command_with("--pin-file " +
                                  shell_word((paths_.main.parent_path() / (draft_.token.name + ".pin")).string()))};
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
        auto source = secret_source("Challenge password of the CA", options_.challenge_file, usual, !needed);
        if (!source) {
            next_ = {command_with("--challenge-file " + shell_word(usual.string()))};
            return fail(source.error());
        }
        draft_.ca.challenge = source->empty() ? std::nullopt : std::optional(*std::move(source));
        draft_.ca.challenge_example = "file:" + usual.string();
        return {};
    }

    /// Whether hwenrolld.service may use the token, and what is written so that it may.
    Status choose_drop_in() {
        const auto grants =
            draft_.token.known || is_single_file() || options_.directory ? std::nullopt : service_grants();
        if (!grants) {
            if (options_.drop_in && !draft_.token.known) {
                next_ = {"sudo " + command_with("")};
                return fail(
                    ErrorCode::usage, "there is no hwenrolld.service that --drop-in could be for",
                    "this is not root, systemd does not run here, or another directory than /etc/hwenroll is used",
                    "leave the option out, or run it as root where the package is installed");
            }
            return {};
        }
        ServiceGrants granted = *grants;
        const std::string text = drop_in_text(needs_, granted);
        if (!text.empty()) {
            if (!options_.drop_in && asks_) {
                say(fmt::format("\nhwenrolld.service may not use this token yet. It needs {}:\n{}",
                                new_drop_in(draft_.token.name).string(), text));
                options_.drop_in = ask("Type yes to have it written:").value_or("") == "yes";
            }
            if (!options_.drop_in) {
                access_ = missing_access(draft_.token.name, needs_, granted);
                return {};
            }
            drop_in_ = text;
            granted.groups.push_back(needs_.group);
        }
        access_ = closed_objects(needs_, granted);
        return {};
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
            return fail(read.error());
        }
        for (const config::Finding& finding : read->findings) {
            const bool known = std::ranges::any_of(existing_.findings, [&](const config::Finding& before) {
                return before.error.line() == finding.error.line();
            });
            if (!known) {
                next_ = {command_with("") + "  # with the value corrected"};
                return fail(finding.error);
            }
        }
        return {};
    }

    /// The configuration comes last: it may be what starts the agent.
    Status write() {
        make_directory(target_.parent_path());
        std::error_code failure;
        if (!drop_in_.empty()) {
            const fs::path path = new_drop_in(draft_.token.name);
            fs::create_directories(path.parent_path(), failure);
            if (Status kept = keep(path, drop_in_, configuration_mode); !kept) {
                return kept;
            }
            if (const std::string said = reload_units(); !said.empty()) {
                missing_.push_back("systemd could not read its units again: " + printable(said) +
                                   "\n  systemctl daemon-reload && systemctl restart hwenrolld");
            }
        }
        for (const SecretFile& secret : secrets_) {
            const std::string_view content = as_text(secret.content.reveal());
            if (Status kept = keep(secret.path, content, secret_mode, secrets_owner()); !kept) {
                return kept;
            }
        }
        starts_ = draft_.has_agent && !is_single_file() && !options_.directory && starts_with_configuration();
        return keep(target_, text_, configuration_mode);
    }

    /// With what is missing above it. The agent's user must get to its configuration, whatever root's umask is.
    static void make_directory(const fs::path& directory) {
        std::error_code failure;
        std::vector<fs::path> missing;
        for (fs::path one = directory; !one.empty() && !fs::exists(one, failure); one = one.parent_path()) {
            missing.push_back(one);
        }
        for (auto one = missing.rbegin(); one != missing.rend(); ++one) {
            if (fs::create_directory(*one, failure)) {
                fs::permissions(*one, directory_permissions, failure);
            }
        }
    }

    /// The agent of the packages. Elsewhere the one who runs the command runs the agent too.
    [[nodiscard]] std::optional<FileOwner> secrets_owner() const {
        const bool of_the_system = !is_single_file() && !options_.directory && !options_.state_dir;
        const passwd* const user = of_the_system && ::geteuid() == 0 ? ::getpwnam(agent_user) : nullptr;
        return user == nullptr ? std::nullopt : std::optional(FileOwner{user->pw_uid, user->pw_gid});
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

    /// All files or none.
    Status keep(const fs::path& path, std::string_view content, mode_t mode, std::optional<FileOwner> owner = {}) {
        Status written = write_output(path, content, {Existing::keep, mode, owner});
        if (written) {
            written_.push_back(path.string());
            return written;
        }
        std::error_code ignored;
        for (const std::string& before : written_) {
            fs::remove(before, ignored);
        }
        next_ = {command_with("")};
        return written;
    }

    [[nodiscard]] std::vector<std::string> next_commands() const {
        const std::string name = shell_word(draft_.identity);
        if (is_single_file() || options_.directory) {
            const std::string config =
                is_single_file() ? " --config " + shell_word(paths_.main.string()) : std::string();
            return {"hwenroll doctor" + config, "hwenrolld --once" + config};
        }
        std::vector<std::string> next;
        if (access_) {
            next.push_back(access_->command);
        }
        next.emplace_back("hwenroll doctor");
        if (!started_) {
            const auto agent = connect_if_running(paths_);
            next.emplace_back(!agent || *agent ? "systemctl reload hwenrolld" : "systemctl enable --now hwenrolld");
        }
        next.push_back("hwenroll enroll " + name + " --wait");
        return next;
    }

    void tell() {
        if (starts_ && !context_.output.json) {
            say("hwenrolld starts with the configuration; this waits for it, for 10 s at most");
        }
        started_ = has_started();
        if (context_.output.json) {
            print_json("init", {{"identity", draft_.identity},
                                {"ca", draft_.ca.name},
                                {"token", draft_.token.name},
                                {"written", written_},
                                {"missing", missing_},
                                {"next", next_commands()}});
            return;
        }
        say("");
        for (const std::string& path : written_) {
            say("written: " + path);
        }
        for (const std::string& missing : missing_) {
            say(missing);
        }
        if (started_) {
            say("hwenrolld has started: it begins at once, and goes on by itself");
        }
        if (access_) {
            say("hwenrolld may not use the token yet: " + access_->why);
        }
        const char* word = "next: ";
        for (const std::string& next : next_commands()) {
            say(word + next);
            word = "then: ";
        }
    }

    const CommandContext& context_;
    InitOptions options_;
    bool asks_;
    config::ConfigurationPaths paths_;
    fs::path target_;
    config::Configuration existing_;
    ConfigurationDraft draft_;
    std::string text_;
    ServiceNeeds needs_;
    std::optional<ServiceStep> access_;  ///< what keeps the service from the token
    std::string drop_in_;                ///< of the unit; empty: none is written
    bool starts_ = false;                ///< systemd starts the agent when the configuration is there
    bool started_ = false;
    std::vector<SecretFile> secrets_;
    std::vector<std::string> missing_;  ///< what a person has to do beside
    std::vector<std::string> written_;
    std::vector<std::string> next_;
};

}  // namespace

int init(const CommandContext& context, const InitOptions& options) {
    return Init(context, options).run();
}

}  // namespace hwenroll::cli
