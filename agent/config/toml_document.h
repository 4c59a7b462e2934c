// A TOML file as a plain tree in which every value knows its place. Keeps the TOML library in one .cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/config/finding.h"
#include "base/result.h"

namespace hwenroll::config {

class Value;
struct Entry;

/// A list of values.
using Array = std::vector<Value>;

/// Keys with their values, sorted by key; each key once.
using Table = std::vector<Entry>;

/// A kind of TOML value that no key takes: times of day and points in time. For writing: a key that is not set.
struct OtherValue {
    friend bool operator==(const OtherValue&, const OtherValue&) = default;
};

/// One value and where it begins.
class Value {
 public:
    using Content =
        std::variant<std::string, std::int64_t, double, bool, std::chrono::year_month_day, OtherValue, Array, Table>;

    Value(Content content, Location at);

    [[nodiscard]] const Location& at() const { return at_; }

    /// The content if it is of type T, else null. Borrowed.
    template <class T>
    [[nodiscard]] const T* get() const {
        return std::get_if<T>(&content_);
    }

    /// Calls `visitor` with the content, whatever its type.
    template <class Visitor>
    auto visit(Visitor&& visitor) const {
        return std::visit(std::forward<Visitor>(visitor), content_);
    }

    /// `a string`, `an integer`, …: for messages, which never show a value of the wrong type (it may be a secret).
    [[nodiscard]] std::string_view type_text() const;

 private:
    Content content_;
    Location at_;
};

/// A key of a table.
struct Entry {
    std::string key;
    Location at;  ///< of the key
    Value value;
};

/// Why a text is no TOML, and from where on.
struct SyntaxFault {
    Location at;
    std::string why;  ///< without any of the text's values
};

/// Reads one file's text; `name` is used in locations. Never throws.
tl::expected<Table, SyntaxFault> parse_toml(std::string_view text, const std::string& name);

/// The entry of `key`, or null. Borrowed.
const Entry* find(const Table& table, std::string_view key);

}  // namespace hwenroll::config
