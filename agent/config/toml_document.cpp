#include "agent/config/toml_document.h"

#include <algorithm>
#include <utility>

// Header-only, so that no build of the library elsewhere has a say; errors as values.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// The library states its expectations as assertions, which end a debug build, or as __builtin_unreachable, which makes
// a release build undefined. Malformed text breaks some of them (3.3.0: a table header without a key, test
// F1_survives…) although the code behind them copes: so they are to be neither.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

namespace hwenroll::config {
namespace {

Location location_of(const toml::source_region& source, const std::string& file) {
    return {file, source.begin.line, source.begin.column};
}

Value convert(const toml::node& node, const std::string& file);

Array convert_array(const toml::array& array, const std::string& file) {
    Array out;
    out.reserve(array.size());
    for (const toml::node& element : array) {
        out.push_back(convert(element, file));
    }
    return out;
}

Table convert_table(const toml::table& table, const std::string& file) {
    Table out;
    out.reserve(table.size());
    for (const auto& [key, node] : table) {
        out.push_back(Entry{std::string(key.str()), location_of(key.source(), file), convert(node, file)});
    }
    return out;
}

Value::Content content_of(const toml::node& node, const std::string& file) {
    if (const auto* string = node.as_string()) {
        return string->get();
    }
    if (const auto* integer = node.as_integer()) {
        return integer->get();
    }
    if (const auto* number = node.as_floating_point()) {
        return number->get();
    }
    if (const auto* boolean = node.as_boolean()) {
        return boolean->get();
    }
    if (const auto* date = node.as_date()) {
        const toml::date day = date->get();
        return std::chrono::year(day.year) / std::chrono::month(day.month) / std::chrono::day(day.day);
    }
    if (const auto* array = node.as_array()) {
        return convert_array(*array, file);
    }
    if (const auto* table = node.as_table()) {
        return convert_table(*table, file);
    }
    return OtherValue{};
}

Value convert(const toml::node& node, const std::string& file) {
    return {content_of(node, file), location_of(node.source(), file)};
}

/// The library's description without what it saw, which may be part of a secret that lacks its quotes.
std::string cause_of(std::string_view description) {
    std::string cause(description.substr(0, description.find(", saw ")));
    const std::size_t number = cause.find(": '");
    if (number != std::string::npos && cause.ends_with(" is not representable in 64 bits")) {
        cause.replace(number, std::string::npos, ": the number is not representable in 64 bits");
    }
    return cause;
}

}  // namespace

Value::Value(Content content, Location at) : content_(std::move(content)), at_(std::move(at)) {}

std::string_view Value::type_text() const {
    struct Names {
        std::string_view operator()(const std::string&) const { return "a string"; }
        std::string_view operator()(std::int64_t) const { return "an integer"; }
        std::string_view operator()(double) const { return "a number with a fraction"; }
        std::string_view operator()(bool) const { return "true or false"; }
        std::string_view operator()(const std::chrono::year_month_day&) const { return "a date"; }
        std::string_view operator()(const OtherValue&) const { return "a time"; }
        std::string_view operator()(const Array&) const { return "a list"; }
        std::string_view operator()(const Table&) const { return "a table"; }
    };
    return std::visit(Names{}, content_);
}

tl::expected<Table, SyntaxFault> parse_toml(std::string_view text, const std::string& name) {
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return tl::make_unexpected(SyntaxFault{location_of(error.source(), name), cause_of(error.description())});
    }
    return convert_table(parsed.table(), name);
}

const Entry* find(const Table& table, std::string_view key) {
    const auto found = std::ranges::find_if(table, [&](const Entry& entry) { return entry.key == key; });
    return found == table.end() ? nullptr : &*found;
}

}  // namespace hwenroll::config
