#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/runtime/queries.h"

namespace hwenroll::cli {
namespace {

std::string fingerprint_text(const Certificate& certificate) {
    return "SHA256:" + to_hex(certificate.fingerprint(), ':');
}

std::string role_text(const Certificate& certificate) {
    if (!certificate.is_ca()) {
        return "end entity (an RA?)";
    }
    return certificate.is_self_issued() ? "root CA" : "intermediate CA";
}

/// The certificate that an operator would pin: a root if one was sent, else any CA.
const Certificate* to_pin(const std::vector<Certificate>& certificates) {
    const Certificate* choice = nullptr;
    for (const Certificate& certificate : certificates) {
        if (certificate.is_ca() && (choice == nullptr || certificate.is_self_issued())) {
            choice = &certificate;
        }
    }
    return choice;
}

std::string block_to_paste(const runtime::CaAnswer& answer, const std::string& name) {
    const Certificate* pin = to_pin(answer.certificates);
    if (pin == nullptr) {
        return "# no CA certificate was sent, so there is nothing to pin\n";
    }
    return fmt::format("[ca.{}]\nurl         = \"{}\"\nfingerprint = \"{}\"\n", name, answer.url,
                       fingerprint_text(*pin));
}

nlohmann::json to_json(const runtime::CaAnswer& answer) {
    nlohmann::json body{{"url", answer.url},
                        {"capabilities", scep::to_text(answer.capabilities)},
                        {"certificates", nlohmann::json::array()}};
    for (const Certificate& certificate : answer.certificates) {
        body["certificates"].push_back({{"subject", certificate.subject().text()},
                                        {"issuer", certificate.issuer().text()},
                                        {"role", role_text(certificate)},
                                        {"ca", certificate.is_ca()},
                                        {"key", certificate.public_key().text()},
                                        {"not_before", to_iso8601(certificate.not_before())},
                                        {"not_after", to_iso8601(certificate.not_after())},
                                        {"fingerprint", fingerprint_text(certificate)}});
    }
    if (const Certificate* pin = to_pin(answer.certificates); pin != nullptr) {
        body["pin"] = fingerprint_text(*pin);
    }
    return body;
}

void print(const runtime::CaAnswer& answer, const std::string& name) {
    std::fputs(fmt::format("{}\ncapabilities: {}\n", answer.url, printable(scep::to_text(answer.capabilities))).c_str(),
               stdout);
    for (const Certificate& certificate : answer.certificates) {
        std::fputs(fmt::format("\n{}: {}\n  issuer       {}\n  key          {}\n  valid        {} to {}\n"
                               "  fingerprint  {}\n",
                               role_text(certificate), certificate.subject().text(), certificate.issuer().text(),
                               certificate.public_key().text(), to_iso8601(certificate.not_before()),
                               to_iso8601(certificate.not_after()), fingerprint_text(certificate))
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
        settings.urls = {target};
    } else {
        const auto configuration = load(context);
        if (!configuration) {
            return report(configuration.error());
        }
        const auto found = configuration->authorities.find(target);
        if (found == configuration->authorities.end()) {
            return report(Error(ErrorCode::unknown_name, "there is no CA '" + target + "'", {},
                                "name a [ca.*] section of the configuration or give a URL"));
        }
        settings = found->second;
        limits = configuration->limits;
    }
    const auto answer = runtime::ask_ca(settings, limits);
    if (!answer) {
        return report(Error(answer.error()).about("ca " + target));
    }
    if (context.output.json) {
        print_json("ca show", to_json(*answer));
    } else {
        print(*answer, settings.name);
    }
    return 0;
}

}  // namespace hwenroll::cli
