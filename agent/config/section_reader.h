// Reads the keys of one section into typed settings and notes what is wrong with them. Internal to this module.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/toml_document.h"
#include "agent/config/words.h"

namespace hwenroll::config {

/// A reader of one table. Every key that is asked for is a known one; finish() reports the others with the nearest
/// known key (F2). A key whose value is refused leaves the default in place and adds a finding, so that one run shows
/// all faults. Not thread-safe; borrows what it is made from.
class SectionReader {
 public:
    /// `title` is the section as people write it, e.g. `[identity.web]`.
    SectionReader(Part part, std::string name, std::string title, const Table& table, Location at, Findings& findings);

    /// The value of `key`, or null. Marks the key as known.
    const Value* find(std::string_view key);

    /// The string of `key`; nothing when it is absent or (with a finding) no string.
    const std::string* text(std::string_view key);

    /// Like text(), with a finding when the key is absent. `example` completes "add … = ".
    const std::string* required_text(std::string_view key, std::string_view example);

    /// The strings of `key`, which is one string or a list of them, each with its place.
    std::vector<std::pair<std::string, Location>> texts(std::string_view key);

    /// Reads a string by a function of value_syntax.h.
    template <class T, class U>
    void read(std::string_view key, T& target, Result<U> (*parse)(std::string_view)) {
        if (const std::string* const written = text(key)) {
            assign(key, target, parse(*written), at_of(key));
        }
    }

    /// Reads a list (or one string) element by element; absent: `target` stays.
    template <class T>
    void read_list(std::string_view key, std::vector<T>& target, Result<T> (*parse)(std::string_view)) {
        if (find(key) == nullptr) {
            return;
        }
        std::vector<T> values;
        for (const auto& [written, at] : texts(key)) {
            if (T value{}; assign(key, value, parse(written), at)) {
                values.push_back(std::move(value));
            }
        }
        target = std::move(values);
    }

    /// Reads one of `words`.
    template <class Choice, std::size_t count>
    void read_choice(std::string_view key, Choice& target, const Words<Choice, count>& words) {
        const std::string* const written = text(key);
        if (written == nullptr) {
            return;
        }
        std::vector<std::string_view> known;
        for (const auto& [word, choice] : words) {
            if (word == *written) {
                target = choice;
                return;
            }
            known.push_back(word);
        }
        refuse_choice(key, *written, known);
    }

    /// Reads an integer from `least` to `most`; a size may also be written `64KiB`.
    template <class T>
    void read_integer(std::string_view key, T& target, std::int64_t least, std::int64_t most) {
        if (const auto value = integer(key, least, most)) {
            target = static_cast<T>(*value);
        }
    }

    /// Reads true or false.
    void read_flag(std::string_view key, bool& target);

    /// Reads a duration from `least` to `most`, both in the unit of `target`.
    template <class Duration>
    void read_duration(std::string_view key, Duration& target, Result<Duration> (*parse)(std::string_view),
                       Duration least, Duration most) {
        Duration value = target;
        read(key, value, parse);
        if (value < least || value > most) {
            refuse_range(key, std::chrono::duration_cast<std::chrono::milliseconds>(least),
                         std::chrono::duration_cast<std::chrono::milliseconds>(most));
            return;
        }
        target = value;
    }

    /// Reads a list of strings whose first is an absolute path.
    void read_command(std::string_view key, std::vector<std::string>& target);

    /// Reads a list of such lists.
    void read_commands(std::string_view key, std::vector<std::vector<std::string>>& target);

    /// A reader of the inline table `key`; nothing when it is absent or (with a finding) no table. finish() it too.
    std::optional<SectionReader> table(std::string_view key);

    /// Makes `key` known without looking at it.
    void accept(std::string_view key) { known_.emplace_back(key); }

    /// Adds a finding about `key` (or the section when the key is absent); `what` continues "'key' ".
    void report(std::string_view key, ErrorCode code, std::string_view what, std::string why = {},
                std::string next = {});

    /// Adds a finding at `at` with a text of its own.
    void report_at(const Location& at, ErrorCode code, const std::string& what, std::string why = {},
                   std::string next = {});

    /// Reports unknown keys. True when the section has no finding at all.
    bool finish();

    [[nodiscard]] const Location& at() const { return at_; }
    [[nodiscard]] const std::string& title() const { return title_; }

    /// Where the value of `key` is; the section's place when it is absent.
    [[nodiscard]] Location at_of(std::string_view key) const;

 private:
    template <class T, class U>
    bool assign(std::string_view key, T& target, Result<U> value, const Location& at) {
        if (!value) {
            refuse_value(key, value.error(), at);
            return false;
        }
        target = *std::move(value);
        return true;
    }

    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
    std::optional<std::vector<std::string>> command(std::string_view key, const Value& value);
    void refuse_value(std::string_view key, const Error& error, const Location& at);
    void refuse_type(std::string_view key, const Value& value, std::string_view wanted);
    void refuse_choice(std::string_view key, std::string_view written, const std::vector<std::string_view>& words);
    void refuse_range(std::string_view key, std::chrono::milliseconds least, std::chrono::milliseconds most);

    Part part_;
    std::string name_;
    std::string title_;
    const Table* table_;
    Location at_;
    Findings* findings_;
    std::size_t findings_before_;
    std::vector<std::string> known_;
};

}  // namespace hwenroll::config
