#include "agent/cli/doctor_report.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/text_layout.h"
#include "agent/runtime/single_run.h"

namespace hwenroll::cli {
namespace {

constexpr std::size_t indent = 10;

std::string_view word_of(Outcome outcome) {
    constexpr std::array<std::string_view, 5> words{"ok", "warn", "fail", "unseen", "untested"};
    return words.at(static_cast<std::size_t>(outcome));
}

std::string painted(Outcome outcome, bool color) {
    constexpr std::array codes{"32", "33", "31", "33", "33"};
    const std::string word(word_of(outcome));
    const std::string shown = outcome == Outcome::fail ? "FAIL" : word;
    return color ? fmt::format("\033[{}m{}\033[0m", codes.at(static_cast<std::size_t>(outcome)), shown) : shown;
}

/// Texts go on below themselves on a terminal; what is to be typed is never broken.
void add_lines(std::string& out, const std::string& text, const Screen& screen) {
    bool first = true;
    for (const std::string& line :
         screen.terminal&& screen.width > 2 * indent ? wrapped(text, screen.width - indent) : std::vector{text}) {
        out += (first ? "" : std::string(indent, ' ')) + line + '\n';
        first = false;
    }
}

}  // namespace

void DoctorReport::add(Check check) {
    check.section = section_;
    check.about = printable(check.about, 2048);
    check.text = with_proposed_commands(ground_, printable(check.text, 2048));
    check.next = with_proposed_commands(ground_, proposed_command(ground_, check.next));
    checks_.push_back(std::move(check));
}

void DoctorReport::ok(std::string about, std::string text) {
    add({Outcome::ok, {}, std::move(about), std::move(text), {}, {}});
}

void DoctorReport::warn(std::string about, std::string text, std::string next) {
    add({Outcome::warn, {}, std::move(about), std::move(text), std::move(next), {}});
}

void DoctorReport::fail(ErrorCode code, std::string about, std::string text, std::string next) {
    text = fmt::format("{} {}", error_info(code).name, text);
    add({Outcome::fail, {}, std::move(about), std::move(text), std::move(next), code});
}

void DoctorReport::fail(std::string about, const Error& error) {
    const std::string why = error.why().empty() ? std::string() : " (" + error.why() + ")";
    fail(error.code(), std::move(about), error.what() + why, printable(error.next(), 2048));
}

void DoctorReport::unseen(std::string about, std::string text) {
    add({Outcome::unseen, {}, std::move(about), std::move(text), "sudo hwenroll doctor", {}});
}

void DoctorReport::untested(std::string about, std::string text, std::string next) {
    add({Outcome::untested, {}, std::move(about), std::move(text), std::move(next), {}});
}

std::size_t DoctorReport::count(Outcome outcome) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(checks_, [&](const Check& check) { return check.outcome == outcome; }));
}

int DoctorReport::exit_code() const {
    std::vector<Error> failures;
    for (const Check& check : checks_) {
        if (check.code) {
            failures.emplace_back(*check.code, check.text);
        }
    }
    return runtime::combined_exit_code(failures);
}

std::string DoctorReport::text(const Screen& screen) const {
    std::string out;
    std::string section;
    for (const Check& check : checks_) {
        if (check.section != section) {
            section = check.section;
            out += section + '\n';
        }
        const std::size_t used = word_of(check.outcome).size();
        out += "  " + painted(check.outcome, screen.color) + std::string(std::max(indent, used + 3) - used - 2, ' ');
        add_lines(out, check.about.empty() ? check.text : check.about + ": " + check.text, screen);
        if (!check.next.empty() && check.outcome != Outcome::unseen) {
            out += std::string(indent - 3, ' ') + "-> " + check.next + '\n';
        }
    }
    const auto counted = [](std::size_t number, std::string_view what) {
        return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
    };
    out += fmt::format("{}: {} ok, {}, {}", counted(checks_.size(), "check"), count(Outcome::ok),
                       counted(count(Outcome::warn), "warning"), counted(count(Outcome::fail), "failure"));
    if (const std::size_t untested = count(Outcome::untested); untested > 0) {
        out += fmt::format(", {} untested", untested);
    }
    if (const std::size_t unseen = count(Outcome::unseen); unseen > 0) {
        out += fmt::format(", {} that this user may not see: {}", unseen,
                           proposed_command(ground_, "sudo hwenroll doctor"));
    }
    out += '\n';
    const auto first = std::ranges::find_if(
        checks_, [](const Check& check) { return check.outcome == Outcome::fail && !check.next.empty(); });
    return first == checks_.end() ? out : out + "next: " + first->next + '\n';
}

nlohmann::json DoctorReport::json() const {
    nlohmann::json body{{"ok", count(Outcome::fail) == 0}, {"checks", nlohmann::json::array()}};
    for (const Check& check : checks_) {
        nlohmann::json entry{{"section", check.section},
                             {"about", check.about},
                             {"outcome", word_of(check.outcome)},
                             {"text", check.text}};
        if (!check.next.empty()) {
            entry["next"] = check.next;
        }
        if (check.code) {
            entry["error"] = error_info(*check.code).name;
        }
        body["checks"].push_back(std::move(entry));
    }
    return body;
}

}  // namespace hwenroll::cli
