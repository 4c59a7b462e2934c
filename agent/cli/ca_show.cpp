#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/ca_choice.h"
#include "agent/cli/commands.h"
#include "agent/config/suggestion.h"
#include "agent/config/value_syntax.h"
#include "agent/runtime/queries.h"

namespace hwenroll::cli {
namespace {

/// The CA that issues is pinned, as by `init`: a root would let every CA below it issue.
std::string block_to_paste(const runtime::CaAnswer& answer, const std::string& name) {
    const Certificate* pin = proposed_pin(roles_of(answer.certificates));
    if (pin == nullptr) {
        return "# no CA that issues was sent, or several, so none is proposed: ask the CA's operator which to pin\n";
    }
    return fmt::format("[ca.{}]\nurl         = \"{}\"\nfingerprint = \"{}\"\n", name, answer.url, fingerprint_of(*pin));
}

nlohmann::json to_json(const runtime::CaAnswer& answer) {
    nlohmann::json body{{"url", answer.url},
                        {"capabilities", scep::to_text(answer.capabilities)},
                        {"certificates", nlohmann::json::array()}};
    const std::vector<CaRole> roles = roles_of(answer.certificates);
    for (const CaRole& role : roles) {
        const Certificate& certificate = *role.certificate;
        body["certificates"].push_back({{"subject", certificate.subject().text()},
                                        {"issuer", certificate.issuer().text()},
                                        {"role", role.text},
                                        {"ca", certificate.is_ca()},
                                        {"key", certificate.public_key().text()},
                                        {"not_before", to_iso8601(certificate.not_before())},
                                        {"not_after", to_iso8601(certificate.not_after())},
                                        {"fingerprint", fingerprint_of(certificate)}});
    }
    if (const Certificate* pin = proposed_pin(roles); pin != nullptr) {
        body["pin"] = fingerprint_of(*pin);
    }
    return body;
}

void print(const runtime::CaAnswer& answer, const std::string& name) {
    std::fputs(fmt::format("{}\ncapabilities: {}\n", answer.url, printable(scep::to_text(answer.capabilities))).c_str(),
               stdout);
    for (const CaRole& role : roles_of(answer.certificates)) {
        const Certificate& certificate = *role.certificate;
        std::fputs(fmt::format("\n{}: {}\n  issuer       {}\n  key          {}\n  valid        {} to {}\n"
                               "  fingerprint  {}\n",
                               role.text, certificate.subject().text(), certificate.issuer().text(),
                               certificate.public_key().text(), to_iso8601(certificate.not_before()),
                               to_iso8601(certificate.not_after()), fingerprint_of(certificate))
                       .c_str(),
                   stdout);
    }
    std::fputs(("\nNothing of this is authenticated. Compare the fingerprint with the CA's operator, then paste:\n\n" +
                block_to_paste(answer, name))
                   .c_str(),
               stdout);
}

}  // namespace

int ca_show(const CommandContext& context, const std::string& target) {
    config::AuthoritySettings settings;
    config::LimitSettings limits;
    settings.name = "ca";
    if (target.find("://") != std::string::npos) {
        const auto url = config::parse_scep_url(target);
        if (!url) {
            return report(context, Error(ErrorCode::usage, "'" + target + "' " + url.error().what(), {},
                                         std::string(url.error().next())));
        }
        settings.urls = {*url};
    } else {
        const auto configuration = load(context);
        if (!configuration) {
            return report(context, configuration.error());
        }
        const auto found = configuration->authorities.find(target);
        if (found == configuration->authorities.end()) {
            std::vector<std::string> names;
            for (const auto& [name, section] : configuration->authorities) {
                names.push_back(name);
            }
            return report(context, config::no_such_name("CA", target, names,
                                                        "name a [ca.*] section of the configuration or give a URL"));
        }
        settings = found->second;
        limits = configuration->limits;
    }
    const auto answer = runtime::ask_ca(settings, limits);
    if (!answer) {
        return report(context, Error(answer.error()).about("ca " + target));
    }
    if (context.output.json) {
        print_json("ca show", to_json(*answer));
    } else {
        print(*answer, settings.name);
    }
    return 0;
}

}  // namespace hwenroll::cli
