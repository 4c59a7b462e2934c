#include "tests/lab_ca/faults.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>

#include <fmt/format.h>

#include "tests/lab_ca/get_message.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::string_view mutate_word = "mutate-";
constexpr int default_drip = 20;  // ms between octets: a CertRep takes the better part of a minute

struct ActionName {
    std::string_view name;
    FaultAction action;
    int min;  ///< of its number
    int max;  ///< 0: it takes none
    int fallback;
};

constexpr std::array<ActionName, 9> action_names{{{"drop", FaultAction::drop, 0, 0, 0},
                                                  {"reset", FaultAction::reset, 0, 0, 0},
                                                  {"status", FaultAction::status, 200, 599, -1},
                                                  {"replay", FaultAction::replay, 0, 0, 0},
                                                  {"lose", FaultAction::lose, 0, 0, 0},
                                                  {"delay", FaultAction::delay, 1, 3'600'000, -1},
                                                  {"truncate", FaultAction::truncate, 0, 0, 0},
                                                  {"drip", FaultAction::drip, 1, 60'000, default_drip},
                                                  {"body-bitflip", FaultAction::bitflip, 0, 0, 0}}};

constexpr std::array<std::string_view, 8> operations{"GetCACaps",  "GetCACert", "GetNextCACert", "PKCSReq",
                                                     "RenewalReq", "CertPoll",  "GetCert",       "GetCRL"};

std::optional<int> number_of(std::string_view text, int min, int max) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && number >= min && number <= max ? std::optional<int>(number) : std::nullopt;
}

bool read_action(std::string_view text, FaultRule& rule) {
    if (text.starts_with(mutate_word)) {
        rule.action = FaultAction::mutate;
        rule.mutator = find_mutator(text.substr(mutate_word.size()));
        return rule.mutator != nullptr;
    }
    for (const ActionName& known : action_names) {
        if (text == known.name && known.fallback >= 0) {
            rule.action = known.action;
            rule.number = known.fallback;
            return true;
        }
        if (known.max > 0 && text.starts_with(known.name) && text.substr(known.name.size()).starts_with('-')) {
            const auto number = number_of(text.substr(known.name.size() + 1), known.min, known.max);
            rule.action = known.action;
            rule.number = number.value_or(0);
            return number.has_value();
        }
    }
    return false;
}

/// What a mutator cannot make is no reply that a client should be judged by.
void mutate(const Mutator& mutator, const MutationScene& scene, HttpReply& reply) {
    try {
        mutator.apply(scene, reply);
    } catch (const std::exception& failure) {
        reply = text_reply(500, failure.what());
    }
}

std::string_view word_of(const std::optional<MessageType>& type) {
    if (!type) {
        return "";
    }
    switch (*type) {
        case MessageType::pkcs_req:
            return "PKCSReq";
        case MessageType::renewal_req:
            return "RenewalReq";
        case MessageType::cert_poll:
            return "CertPoll";
        case MessageType::get_cert:
            return "GetCert";
        case MessageType::get_crl:
            return "GetCRL";
    }
    return "";
}

}  // namespace

Result<FaultRule> FaultRule::from_text(std::string_view text) {
    const std::size_t first = text.find(':');
    const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
    FaultRule rule;
    bool good = second != std::string_view::npos;
    if (good) {
        rule.operation = text.substr(0, first);
        const std::string_view count = text.substr(first + 1, second - first - 1);
        const auto nth = number_of(count, 1, 1'000'000);
        if (nth) {
            rule.nth = static_cast<unsigned>(*nth);
        }
        good = std::find(operations.begin(), operations.end(), rule.operation) != operations.end() &&
               (nth || count == "*") && read_action(text.substr(second + 1), rule);
    }
    if (!good) {
        return fail(ErrorCode::usage, fmt::format("--fault {} is no rule", text), {},
                    "write OPERATION:N:ACTION, as in PKCSReq:1:lose or GetCACert:*:status-503");
    }
    return rule;
}

std::string to_text(const FaultRule& rule) {
    const std::string place = fmt::format("{}:{}:", rule.operation, rule.nth ? std::to_string(*rule.nth) : "*");
    if (rule.mutator != nullptr) {
        return fmt::format("{}{}{}", place, mutate_word, rule.mutator->id);
    }
    const auto* const known = std::find_if(action_names.begin(), action_names.end(),
                                           [&](const ActionName& name) { return name.action == rule.action; });
    return fmt::format("{}{}{}", place, known->name, known->max > 0 ? fmt::format("-{}", rule.number) : "");
}

const FaultRule* Faults::meet(const std::string& operation) {
    const unsigned count = ++met_[operation];
    const auto found = std::find_if(rules_.begin(), rules_.end(), [&](const FaultRule& rule) {
        return rule.operation == operation && rule.nth.value_or(count) == count;
    });
    return found == rules_.end() ? nullptr : &*found;
}

std::optional<HttpReply> Faults::instead(const FaultRule& rule) const {
    HttpReply reply;
    if (rule.action == FaultAction::drop) {
        reply.delivery.end = Delivery::End::unanswered;
    } else if (rule.action == FaultAction::reset) {
        reply.delivery.end = Delivery::End::reset;
    } else if (rule.action == FaultAction::status) {
        reply = text_reply(rule.number, "a fault by rule");
    } else if (const auto older = last_.find(rule.operation);
               rule.action == FaultAction::replay && older != last_.end()) {
        reply = older->second;
    } else {
        return std::nullopt;
    }
    return reply;
}

HttpReply Faults::spoilt(const std::string& operation, const FaultRule* rule, const MutationScene& scene,
                         HttpReply reply) {
    last_.insert_or_assign(operation, reply);
    if (rule == nullptr) {
        return reply;
    }
    switch (rule->action) {
        case FaultAction::lose:
            reply.delivery.end = Delivery::End::unanswered;
            break;
        case FaultAction::delay:
            reply.delivery.delay = std::chrono::milliseconds(rule->number);
            break;
        case FaultAction::truncate:
            reply.delivery.end = Delivery::End::truncated;
            break;
        case FaultAction::drip:
            reply.delivery.pause = std::chrono::milliseconds(rule->number);
            break;
        case FaultAction::bitflip:
            if (!reply.body.empty()) {
                reply.body[reply.body.size() / 2] ^= 0x01U;
            }
            break;
        case FaultAction::mutate:
            mutate(*rule->mutator, scene, reply);
            break;
        default:  // in place of processing
            break;
    }
    return reply;
}

std::string fault_operation(const HttpRequest& request) {
    const std::string operation = percent_decoded(request.parameter("operation").value_or(""));
    if (operation != "PKIOperation" && (!operation.empty() || request.method != "POST")) {
        return operation;
    }
    const auto octets = request.method == "POST" ? std::optional<Bytes>(request.body)
                                                 : decode_get_message(request.parameter("message").value_or("")).octets;
    const auto message = octets ? read_scep_request(*octets) : fail(ErrorCode::scep_structure, "no message");
    return message ? std::string(word_of(message->message_type)) : std::string();
}

}  // namespace hwenroll::lab_ca
