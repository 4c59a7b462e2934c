#include "agent/cli/token_choice.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/cli/found_tokens.h"
#include "agent/cli/section_name.h"
#include "agent/cli/terminal.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::cli {
namespace {

std::string describe(const FoundToken& token) {
    const keystore::TokenDescription& about = token.description;
    return token.module.empty()
               ? fmt::format("TPM 2.0 at {}", token.tcti)
               : fmt::format("'{}' ({} {}, serial {}) by {}", printable(about.label), printable(about.manufacturer),
                             printable(about.model), printable(about.serial), token.module);
}

/// `any`: there are others than the one that is meant.
Error no_token(InitDialogue& dialogue, const TokenSearch& search, bool any) {
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
        dialogue.next = {"apt install softhsm2"};
    } else if (search.modules.empty()) {
        dialogue.next = {};  // a TPM that does not answer
    } else if (!any && (software || !dialogue.options.token)) {
        dialogue.next = {"softhsm2-util --init-token --free --label " +
                         shell_word(dialogue.options.token.value_or("hwenroll"))};
    } else {
        dialogue.next = {"hwenroll token list --module " + shell_word(search.modules.front())};
    }
    if (!dialogue.options.module && !dialogue.options.tcti) {
        dialogue.next.push_back(dialogue.command_with("--module /path/to/module.so"));
    } else if (dialogue.next.empty()) {
        dialogue.next = {"hwenroll explain E-TOKEN-ABSENT"};
    }
    return Error(
        ErrorCode::token_absent,
        dialogue.options.token ? "no token is '" + *dialogue.options.token + "'" : std::string("no token was found"),
        fmt::format("asked: {}{}{}", fmt::join(asked, " "), why.empty() ? "" : "; ", fmt::join(why, "; ")),
        "plug it in, or initialise one, a software token for a trial");
}

/// Leaves the chosen one.
Status choose_among(InitDialogue& dialogue, std::vector<FoundToken>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        dialogue.say(fmt::format("  {}  {}", i + 1, describe(tokens[i])));
        dialogue.next.push_back(dialogue.command_with("--token " + shell_word(tokens[i].choice())));
    }
    const std::string answer =
        dialogue.asks() ? ask(fmt::format("Which token is to hold the key? 1 to {}:", tokens.size())).value_or("")
                        : std::string();
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (answer == std::to_string(i + 1)) {
            dialogue.next.clear();
            tokens = {std::move(tokens[i])};
            return {};
        }
    }
    return fail(ErrorCode::usage,
                dialogue.asks() ? "no token was chosen, nothing is written"
                                : fmt::format("there are {} tokens, nothing is written", tokens.size()),
                {}, "say which one by --token");
}

TokenChoice use_known(const InitDialogue& dialogue, const std::string& name) {
    dialogue.say("token: [token." + name + "] is configured already");
    TokenChoice choice;
    choice.section.name = name;
    choice.section.known = true;
    return choice;
}

TokenChoice use(const InitDialogue& dialogue, const config::Configuration& existing, const FoundToken& token) {
    for (const auto& [name, settings] : existing.tokens) {
        if (token.module.empty() ? settings.tcti == token.tcti
                                 : settings.module == token.module && is_meant(token, settings.uri)) {
            return use_known(dialogue, name);
        }
    }
    dialogue.say("token: " + describe(token));
    TokenChoice choice;
    choice.section.description = describe(token);
    choice.section.module = token.module;
    choice.section.tcti = token.tcti;
    choice.section.uri = token.module.empty() ? std::string() : token.description.uri;
    choice.needs = service_needs(token.module, token.tcti, token.description.serial);
    choice.section.needs_pin = !token.module.empty() && token.description.login_required;
    choice.section.name = unused_name(
        token.module.empty() ? std::string("tpm") : section_name(token.description.label, "token"), existing.tokens);
    return choice;
}

}  // namespace

Result<TokenChoice> choose_token(InitDialogue& dialogue, const config::Configuration& existing) {
    if (const auto known = existing.tokens.find(dialogue.options.token.value_or("")); known != existing.tokens.end()) {
        return use_known(dialogue, known->first);
    }
    if (dialogue.options.tcti) {
        if (const auto parsed = config::parse_tcti(*dialogue.options.tcti); !parsed) {
            const std::string refused = std::exchange(dialogue.options.tcti, std::nullopt).value();
            dialogue.next = {dialogue.command_with("--tcti device:/dev/tpmrm0")};
            return fail(ErrorCode::usage, "'" + refused + "' " + std::string(parsed.error().what()), {},
                        std::string(parsed.error().next()));
        }
    }
    dialogue.say("\nlooking for tokens ...");
    TokenSearch search = find_tokens(dialogue.options.module, dialogue.options.tcti);
    const bool any = !search.tokens.empty();
    if (dialogue.options.token) {
        std::erase_if(search.tokens, [&](const FoundToken& one) { return !is_meant(one, *dialogue.options.token); });
    }
    if (search.tokens.empty()) {
        return fail(no_token(dialogue, search, any));
    }
    if (search.tokens.size() > 1) {
        if (Status chosen = choose_among(dialogue, search.tokens); !chosen) {
            return fail(chosen.error());
        }
    }
    return use(dialogue, existing, search.tokens.front());
}

}  // namespace hwenroll::cli
