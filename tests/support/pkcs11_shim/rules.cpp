#include "tests/support/pkcs11_shim/rules.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace hwenroll::pkcs11_shim {
namespace {

constexpr unsigned long no_end = std::numeric_limits<unsigned long>::max();

/// Cuts `text` at the first `separator`: what stands before it; `text` keeps what stands after.
std::string_view take_until(std::string_view& text, char separator) {
    const auto end = text.find(separator);
    const auto part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return part;
}

std::optional<unsigned long> parse_number(std::string_view text, int base = 10) {
    unsigned long number = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number, base);
    return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

bool parse_calls(std::string_view text, Rule& rule) {
    if (text == "*") {
        rule.first = 1;
        rule.last = no_end;
        return true;
    }
    const bool open_ended = text.ends_with('+');
    const auto first = parse_number(open_ended ? text.substr(0, text.size() - 1) : take_until(text, '-'));
    const auto last = open_ended ? std::optional(no_end) : text.empty() ? first : parse_number(text);
    rule.first = first.value_or(0);
    rule.last = last.value_or(0);
    return rule.first > 0 && rule.last >= rule.first;
}

std::optional<Action> parse_action(std::string_view text) {
    if (text == "crash") {
        return Action{Action::Kind::crash, CKR_OK};
    }
    if (text == "hang") {
        return Action{Action::Kind::hang, CKR_OK};
    }
    if (text == "logout") {
        return Action{Action::Kind::logout, CKR_OK};
    }
    if (text.starts_with("rv=0x")) {
        const auto value = parse_number(text.substr(5), 16);
        return value ? std::optional(Action{Action::Kind::return_value, *value}) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::vector<Rule>> parse_rules(std::string_view text) {
    std::vector<Rule> rules;
    while (!text.empty()) {
        std::string_view entry = take_until(text, ',');
        const auto name = take_until(entry, ':');
        const auto calls = take_until(entry, ':');
        const auto* const found = std::find(std::begin(function_names), std::end(function_names), name);
        const auto action = parse_action(entry);
        Rule rule;
        if (found == std::end(function_names) || !action || !parse_calls(calls, rule)) {
            return std::nullopt;
        }
        rule.function = static_cast<Function>(found - std::begin(function_names));
        rule.action = *action;
        rules.push_back(rule);
    }
    return rules;
}

std::optional<Action> find_action(const std::vector<Rule>& rules, Function function, unsigned long number) {
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& candidate) {
        return candidate.function == function && candidate.first <= number && number <= candidate.last;
    });
    return rule == rules.end() ? std::nullopt : std::optional(rule->action);
}

}  // namespace hwenroll::pkcs11_shim
