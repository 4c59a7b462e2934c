#include "agent/config/section_reader.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/config/suggestion.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

std::string duration_text(std::chrono::milliseconds duration) {
    if (duration % std::chrono::seconds(1) != std::chrono::milliseconds(0)) {
        return fmt::format("{} ms", duration.count());
    }
    return to_words(std::chrono::duration_cast<Seconds>(duration));
}

}  // namespace

SectionReader::SectionReader(Part part, std::string name, std::string title, const Table& table, Location at,
                             Findings& findings)
    : part_(part),
      name_(std::move(name)),
      title_(std::move(title)),
      table_(&table),
      at_(std::move(at)),
      findings_(&findings),
      findings_before_(findings.size()) {}

const Value* SectionReader::find(std::string_view key) {
    accept(key);
    const Entry* const entry = config::find(*table_, key);
    return entry == nullptr ? nullptr : &entry->value;
}

const std::string* SectionReader::text(std::string_view key) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return nullptr;
    }
    const auto* const string = value->get<std::string>();
    if (string == nullptr) {
        refuse_type(key, *value, "a string");
    }
    return string;
}

const std::string* SectionReader::required_text(std::string_view key, std::string_view example) {
    if (find(key) == nullptr) {
        report_at(at_, ErrorCode::config_missing, fmt::format("{} has no '{}'", title_, key), {},
                  fmt::format("add a line like {} = {}", key, example));
        return nullptr;
    }
    return text(key);
}

std::vector<std::pair<std::string, Location>> SectionReader::texts(std::string_view key) {
    const Value* const value = find(key);
    std::vector<std::pair<std::string, Location>> out;
    if (value == nullptr) {
        return out;
    }
    if (const auto* const string = value->get<std::string>()) {
        out.emplace_back(*string, value->at());
        return out;
    }
    const auto* const array = value->get<Array>();
    if (array == nullptr) {
        refuse_type(key, *value, "a string or a list of strings");
        return out;
    }
    for (const Value& element : *array) {
        if (const auto* const string = element.get<std::string>()) {
            out.emplace_back(*string, element.at());
        } else {
            refuse_type(key, element, "a string");
        }
    }
    return out;
}

std::optional<std::int64_t> SectionReader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    std::optional<std::int64_t> number;
    if (const auto* const plain = value->get<std::int64_t>()) {
        number = *plain;
    } else if (const auto* const string = value->get<std::string>()) {
        if (std::int64_t size = 0; assign(key, size, parse_size(*string), value->at())) {
            number = size;
        }
    } else {
        refuse_type(key, *value, "an integer");
    }
    if (number && (*number < least || *number > most)) {
        report(key, ErrorCode::config_value, fmt::format("is {}, which is not from {} to {}", *number, least, most));
        return std::nullopt;
    }
    return number;
}

void SectionReader::read_flag(std::string_view key, bool& target) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return;
    }
    if (const auto* const flag = value->get<bool>()) {
        target = *flag;
    } else {
        refuse_type(key, *value, "true or false");
    }
}

std::optional<std::vector<std::string>> SectionReader::command(std::string_view key, const Value& value) {
    const auto* const array = value.get<Array>();
    if (array == nullptr) {
        refuse_type(key, value,
                    R"(a list of a program and its arguments, e.g. ["/usr/bin/systemctl", "reload", "nginx"])");
        return std::nullopt;
    }
    std::vector<std::string> words;
    for (const Value& element : *array) {
        const auto* const word = element.get<std::string>();
        if (word == nullptr) {
            refuse_type(key, element, "a string");
            return std::nullopt;
        }
        if (word->find('\0') != std::string::npos) {
            report_at(element.at(), ErrorCode::config_value, fmt::format("'{}' holds a zero octet", key));
            return std::nullopt;
        }
        words.push_back(*word);
    }
    if (words.empty() || !parse_path(words.front())) {
        report_at(value.at(), ErrorCode::config_value, fmt::format("'{}' names no program by an absolute path", key));
        return std::nullopt;
    }
    return words;
}

void SectionReader::read_command(std::string_view key, std::vector<std::string>& target) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return;
    }
    if (auto words = command(key, *value)) {
        target = *std::move(words);
    }
}

void SectionReader::read_commands(std::string_view key, std::vector<std::vector<std::string>>& target) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return;
    }
    const auto* const array = value->get<Array>();
    if (array == nullptr) {
        refuse_type(key, *value, R"(a list of commands, e.g. [["/usr/bin/systemctl", "reload", "nginx"]])");
        return;
    }
    for (const Value& element : *array) {
        if (auto words = command(key, element)) {
            target.push_back(*std::move(words));
        }
    }
}

std::optional<SectionReader> SectionReader::table(std::string_view key) {
    const Value* const value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    const auto* const inner = value->get<Table>();
    if (inner == nullptr) {
        refuse_type(key, *value, "a table");
        return std::nullopt;
    }
    return SectionReader(part_, name_, fmt::format("'{}' of {}", key, title_), *inner, value->at(), *findings_);
}

void SectionReader::report(std::string_view key, ErrorCode code, std::string_view what, std::string why,
                           std::string next) {
    report_at(at_of(key), code, fmt::format("'{}' {}", key, what), std::move(why), std::move(next));
}

void SectionReader::report_at(const Location& at, ErrorCode code, const std::string& what, std::string why,
                              std::string next) {
    findings_->push_back(make_finding(part_, name_, at, code, what, std::move(why), std::move(next)));
}

bool SectionReader::finish() {
    for (const Entry& entry : *table_) {
        if (std::ranges::find(known_, entry.key) != known_.end()) {
            continue;
        }
        const std::string near = nearest(entry.key, known_);
        report_at(entry.at, ErrorCode::config_key, fmt::format("{} has no key '{}'", title_, entry.key), {},
                  near.empty() ? std::string() : fmt::format("did you mean '{}'?", near));
    }
    return findings_->size() == findings_before_;
}

Location SectionReader::at_of(std::string_view key) const {
    const Entry* const entry = config::find(*table_, key);
    return entry == nullptr ? at_ : entry->value.at();
}

void SectionReader::refuse_value(std::string_view key, const Error& error, const Location& at) {
    report_at(at, error.code(), fmt::format("'{}' {}", key, error.what()), error.why(), std::string(error.next()));
}

void SectionReader::refuse_type(std::string_view key, const Value& value, std::string_view wanted) {
    report_at(value.at(), ErrorCode::config_value,
              fmt::format("'{}' holds {} instead of {}", key, value.type_text(), wanted));
}

void SectionReader::refuse_choice(std::string_view key, std::string_view written,
                                  const std::vector<std::string_view>& words) {
    report(key, ErrorCode::config_value, fmt::format("does not know \"{}\"", written), {},
           fmt::format("use \"{}\"", fmt::join(words, "\" or \"")));
}

void SectionReader::refuse_range(std::string_view key, std::chrono::milliseconds least,
                                 std::chrono::milliseconds most) {
    report(key, ErrorCode::config_value,
           fmt::format("is not from {} to {}", duration_text(least), duration_text(most)));
}

}  // namespace hwenroll::config
