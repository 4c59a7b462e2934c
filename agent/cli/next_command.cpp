#include "agent/cli/next_command.h"

#include <algorithm>
#include <pwd.h>

#include "agent/cli/configuration_draft.h"
#include "agent/cli/secret_file_command.h"

namespace hwenroll::cli {
namespace {

std::string secret_or(const std::optional<config::SecretSource>& source, const std::string& otherwise) {
    return source && source->kind == config::SecretSource::Kind::file ? secret_command(source->location) : otherwise;
}

const std::optional<config::SecretSource>& pin_of(const config::TokenSettings& token) {
    return token.type == config::TokenType::tpm2 ? token.auth : token.pin;
}

std::string after_pin(const std::string& identity, const config::Configuration& configuration) {
    std::string resume = "hwenroll resume " + shell_word(identity);
    const auto settings = configuration.identities.find(identity);
    if (settings == configuration.identities.end()) {
        return resume;
    }
    const auto token = configuration.tokens.find(settings->second.token);
    return token == configuration.tokens.end() ? resume : secret_or(pin_of(token->second), resume);
}

std::string after_challenge(ErrorCode code, const std::string& ca, const config::Configuration& configuration) {
    const auto authority = configuration.authorities.find(ca);
    std::string explain = "hwenroll explain " + std::string(error_info(code).name);
    return authority == configuration.authorities.end() ? explain : secret_or(authority->second.challenge, explain);
}

}  // namespace

std::string secret_command(const std::string& path) {
    return secret_file_command(path, ::getpwnam("hwenroll") != nullptr ? "hwenroll" : "");
}

std::string next_command(ErrorCode code, const std::string& identity, const config::Configuration* configuration) {
    const ErrorInfo& info = error_info(code);
    std::string explain = "hwenroll explain " + std::string(info.name);
    if (configuration == nullptr) {
        return "hwenroll check-config";
    }
    const auto settings = configuration->identities.find(identity);
    const std::string ca = settings == configuration->identities.end() ? std::string() : settings->second.ca;
    switch (code) {
        case ErrorCode::token_pin:
        case ErrorCode::token_pin_source:
            return after_pin(identity, *configuration);
        case ErrorCode::challenge_source:
        case ErrorCode::ca_rejected:
            return after_challenge(code, ca, *configuration);
        case ErrorCode::ca_unreachable:
        case ErrorCode::ca_fingerprint:
        case ErrorCode::ca_http_refused:
        case ErrorCode::ca_not_scep:
            return ca.empty() ? explain : "hwenroll ca show " + shell_word(ca);
        case ErrorCode::token_absent:
        case ErrorCode::token_module:
            return "hwenroll doctor";
        case ErrorCode::hook_failed:
        case ErrorCode::verify_failed:
            return "hwenroll resume " + shell_word(identity);
        case ErrorCode::hook_unavailable:
            return "systemctl enable --now hwenroll-hook.socket";
        case ErrorCode::unknown_name:
            return "hwenroll list";
        case ErrorCode::control_no_agent:
            return "systemctl start hwenrolld";
        default:
            return info.name.starts_with("E-CONFIG-") ? "hwenroll check-config" : explain;
    }
}

namespace {

/// A TPM is in no list of slots.
std::string look_at_tpm(const std::string& tcti) {
    constexpr std::string_view device = "device:";
    return tcti.starts_with("tabrmd") ? "systemctl status tpm2-abrmd"
           : tcti.starts_with(device) ? "ls -l " + shell_word(tcti.substr(device.size()))
                                      : "ls -l /dev/tpmrm0";
}

}  // namespace

std::string next_command(ErrorCode code, const config::TokenSettings& token) {
    std::string explain = "hwenroll explain " + std::string(error_info(code).name);
    switch (code) {
        case ErrorCode::token_pin:
        case ErrorCode::token_pin_source:
            return secret_or(pin_of(token), explain);
        case ErrorCode::token_absent:
        case ErrorCode::token_module:
            return token.type == config::TokenType::tpm2 ? look_at_tpm(token.tcti) : "hwenroll token list";
        default:
            return explain;
    }
}

std::optional<ErrorCode> code_in(const std::string& line) {
    const std::string_view name = std::string_view(line).substr(0, line.find_first_of(" :;"));
    const auto table = error_table();
    const auto found = std::ranges::find_if(table, [&](const ErrorInfo& info) { return info.name == name; });
    return found == table.end() ? std::nullopt : std::optional(found->code);
}

}  // namespace hwenroll::cli
