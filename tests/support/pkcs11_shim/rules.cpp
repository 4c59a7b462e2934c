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

struct Named {
    std::string_view name;
    unsigned long value;
};

constexpr Named attributes[] = {
    {"token", CKA_TOKEN},
    {"private", CKA_PRIVATE},
    {"id", CKA_ID},
    {"local", CKA_LOCAL},
    {"sensitive", CKA_SENSITIVE},
    {"extractable", CKA_EXTRACTABLE},
    {"always_sensitive", CKA_ALWAYS_SENSITIVE},
    {"never_extractable", CKA_NEVER_EXTRACTABLE},
    {"always_authenticate", CKA_ALWAYS_AUTHENTICATE},
    {"sign", CKA_SIGN},
    {"decrypt", CKA_DECRYPT},
    {"modulus", CKA_MODULUS},
    {"ec_point", CKA_EC_POINT},
};

constexpr Named flags[] = {
    {"count_low", CKF_USER_PIN_COUNT_LOW},
    {"final_try", CKF_USER_PIN_FINAL_TRY},
    {"keypad", CKF_PROTECTED_AUTHENTICATION_PATH},
    {"locked", CKF_USER_PIN_LOCKED},
};

constexpr struct {
    std::string_view name;
    Action::Kind kind;
} plain_actions[] = {
    {"crash", Action::Kind::crash},           {"hang", Action::Kind::hang},       {"logout", Action::Kind::logout},
    {"close", Action::Kind::close},           {"stale", Action::Kind::stale},     {"swap", Action::Kind::swap},
    {"one-handle", Action::Kind::one_handle}, {"small", Action::Kind::too_small},
};

template <class Table>
auto find_named(const Table& table, std::string_view name) {
    const auto* const found =
        std::find_if(std::begin(table), std::end(table), [&](const auto& each) { return each.name == name; });
    return found == std::end(table) ? nullptr : found;
}

template <class Table>
std::optional<Action> parse_named(Action::Kind kind, const Table& table, std::string_view name) {
    const auto* const found = find_named(table, name);
    return found == nullptr ? std::nullopt : std::optional(Action{kind, found->value});
}

std::optional<Action> parse_resize(std::string_view text) {
    const bool less = text.starts_with('-');
    const auto size = less || text.starts_with('+') ? parse_number(text.substr(1)) : std::nullopt;
    if (!size || *size > static_cast<unsigned long>(std::numeric_limits<long>::max())) {
        return std::nullopt;
    }
    return Action{Action::Kind::resize, 0, less ? -static_cast<long>(*size) : static_cast<long>(*size)};
}

/// `name=text`.
std::optional<Action> parse_action_with(std::string_view name, std::string_view text) {
    if (name == "rv" && text.starts_with("0x")) {
        const auto value = parse_number(text.substr(2), 16);
        return value ? std::optional(Action{Action::Kind::return_value, *value}) : std::nullopt;
    }
    if (name == "delay") {
        const auto time = parse_number(text);
        return time ? std::optional(Action{Action::Kind::delay, *time}) : std::nullopt;
    }
    return name == "size"        ? parse_resize(text)
           : name == "wrong"     ? parse_named(Action::Kind::wrong, attributes, text)
           : name == "absent"    ? parse_named(Action::Kind::absent, attributes, text)
           : name == "unwritten" ? parse_named(Action::Kind::unwritten, attributes, text)
           : name == "bare"      ? parse_named(Action::Kind::bare, attributes, text)
           : name == "flag"      ? parse_named(Action::Kind::flag, flags, text)
                                 : std::nullopt;
}

std::optional<Action> parse_action(std::string_view text) {
    if (text.find('=') != std::string_view::npos) {
        const auto name = take_until(text, '=');
        return parse_action_with(name, text);
    }
    const auto* const found = find_named(plain_actions, text);
    return found == nullptr ? std::nullopt : std::optional(Action{found->kind});
}

std::optional<Rule> parse_rule(std::string_view text) {
    const auto name = take_until(text, ':');
    const auto calls = take_until(text, ':');
    const auto* const found = std::find(std::begin(function_names), std::end(function_names), name);
    const auto action = parse_action(text);
    Rule rule;
    if ((found == std::end(function_names) && name != "*") || !action || !parse_calls(calls, rule)) {
        return std::nullopt;
    }
    if (name != "*") {
        rule.function = static_cast<Function>(found - std::begin(function_names));
    }
    rule.action = *action;
    return rule;
}

}  // namespace

std::optional<std::vector<Rule>> parse_rules(std::string_view text) {
    std::vector<Rule> rules;
    while (!text.empty()) {
        const auto rule = parse_rule(take_until(text, ','));
        if (!rule) {
            return std::nullopt;
        }
        rules.push_back(*rule);
    }
    return rules;
}

std::optional<std::vector<Rule>> parse_rule_file(std::string_view text) {
    std::vector<Rule> rules;
    while (!text.empty()) {
        const auto line = take_until(text, '\n');
        const auto more = line.starts_with('#') ? std::optional(std::vector<Rule>()) : parse_rules(line);
        if (!more) {
            return std::nullopt;
        }
        rules.insert(rules.end(), more->begin(), more->end());
    }
    return rules;
}

std::vector<Action> find_actions(const std::vector<Rule>& rules, Function function, unsigned long number,
                                 unsigned long overall) {
    std::vector<Action> actions;
    for (const Rule& rule : rules) {
        const unsigned long counted = rule.function ? number : overall;
        if (rule.function.value_or(function) == function && rule.first <= counted && counted <= rule.last) {
            actions.push_back(rule.action);
        }
    }
    return actions;
}

}  // namespace hwenroll::pkcs11_shim
