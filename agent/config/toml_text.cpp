#include "agent/config/toml_text.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace hwenroll::config {
namespace {

/// A basic string (TOML 1.0, "String").
std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (octet < 0x20 || octet == 0x7F) {
            out += fmt::format("\\u{:04X}", octet);
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string key_text(const std::string& key) {
    const bool bare = !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-');
    });
    return bare ? key : in_quotes(key);
}

std::string value_text(const Value& value) {
    struct Text {
        std::string operator()(const std::string& text) const { return in_quotes(text); }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const {
            const std::string text = fmt::format("{}", number);
            return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
        }
        std::string operator()(bool value) const { return value ? "true" : "false"; }
        std::string operator()(const std::chrono::year_month_day& day) const {
            return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                               static_cast<unsigned>(day.day()));
        }
        std::string operator()(const OtherValue&) const { return {}; }
        std::string operator()(const Array& array) const {
            std::string text;
            for (const Value& element : array) {
                text += (text.empty() ? "" : ", ") + value_text(element);
            }
            return "[" + text + "]";
        }
        std::string operator()(const Table&) const { return {}; }
    };
    return value.visit(Text{});
}

void append_keys(std::string& out, const std::string& prefix, const Table& keys) {
    for (const Entry& entry : keys) {
        const std::string key = prefix + key_text(entry.key);
        if (const auto* const inner = entry.value.get<Table>()) {
            append_keys(out, key + '.', *inner);
        } else if (entry.value.get<OtherValue>() != nullptr) {
            out += fmt::format("# {} is not set\n", key);
        } else {
            // A file's name may hold anything; a comment ends at its line.
            out += fmt::format("{} = {}  # {}\n", key, value_text(entry.value), printable(entry.value.at().text()));
        }
    }
}

/// A table of nothing but tables holds named sections.
bool holds_sections(const Table& table) {
    return !table.empty() &&
           std::ranges::all_of(table, [](const Entry& entry) { return entry.value.get<Table>() != nullptr; });
}

}  // namespace

std::string to_toml(const Table& document) {
    std::string out;
    const auto append_section = [&](const std::string& title, const Table& keys) {
        out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", title);
        append_keys(out, {}, keys);
    };
    for (const Entry& section : document) {
        const auto* const table = section.value.get<Table>();
        if (table == nullptr) {
            continue;
        }
        if (!holds_sections(*table)) {
            append_section(key_text(section.key), *table);
            continue;
        }
        for (const Entry& part : *table) {
            append_section(key_text(section.key) + '.' + key_text(part.key), *part.value.get<Table>());
        }
    }
    return out;
}

}  // namespace hwenroll::config
