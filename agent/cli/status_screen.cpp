#include "agent/cli/status_screen.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/cli/text_layout.h"
#include "base/error.h"

namespace hwenroll::cli {
namespace {

using control::OverviewRow;

constexpr std::size_t bar_cells = 10;
constexpr std::size_t gap = 2;
constexpr std::size_t longest_name = 32;
constexpr std::size_t detail_indent = 8;

/// The lower, the sooner a person should look.
enum class Urgency : std::uint8_t { expired, held, disabled, retrying, pending, under_way, well };

Urgency urgency_of(const std::string& word) {
    static const std::map<std::string, Urgency, std::less<>> table{
        {"EXPIRED", Urgency::expired}, {"DISABLED", Urgency::disabled}, {"RETRYING", Urgency::retrying},
        {"PENDING", Urgency::pending}, {"OK", Urgency::well},           {"SHADOW-READY", Urgency::well}};
    if (word.starts_with("HELD")) {
        return Urgency::held;
    }
    const auto found = table.find(word);
    return found == table.end() ? Urgency::under_way : found->second;
}

/// What is under way and has failed is tried again: consumers that were told in vain, a disk that is full.
Urgency urgency_of(const OverviewRow& row) {
    const Urgency urgency = urgency_of(row.word);
    return urgency == Urgency::under_way && !row.failure.empty() ? Urgency::retrying : urgency;
}

enum class Light : std::uint8_t { red, yellow, green };

Light light_of(Urgency urgency) {
    return urgency <= Urgency::disabled ? Light::red : urgency == Urgency::well ? Light::green : Light::yellow;
}

std::string painted(const std::string& text, Light light, bool color) {
    constexpr std::array codes{"31", "33", "32"};
    return color ? fmt::format("\033[{}m{}\033[0m", codes.at(static_cast<std::size_t>(light)), text) : text;
}

/// Of one column, and of another shape for each light, since not everybody sees colours.
std::string symbol(Light light, const Screen& screen) {
    constexpr std::array plain{"!", "~", "*"};
    constexpr std::array drawn{"✖", "◐", "●"};
    const auto at = static_cast<std::size_t>(light);
    return painted(screen.unicode ? drawn.at(at) : plain.at(at), light, screen.color);
}

std::string_view ellipsis(const Screen& screen) {
    return screen.unicode ? "…" : "...";
}

void sort_by_urgency(std::vector<OverviewRow>& rows) {
    const auto key = [](const OverviewRow& row) {
        return std::tuple(urgency_of(row), row.not_after.value_or(TimePoint()), std::string_view(row.name));
    };
    std::ranges::sort(rows, [&](const OverviewRow& a, const OverviewRow& b) { return key(a) < key(b); });
}

std::string left_text(const OverviewRow& row, TimePoint now) {
    if (!row.not_after) {
        return "-";
    }
    return *row.not_after <= now ? "expired" : to_words(*row.not_after - now);
}

/// What happens next: of what is well, when that is.
std::string next_text(const OverviewRow& row, TimePoint now) {
    return row.word == "OK" && row.renew_at && *row.renew_at > now ? "renews " + time_text(*row.renew_at, now)
                                                                   : printable(row.next);
}

std::string lower_case_word(Urgency urgency) {
    constexpr std::array words{"expired", "held", "disabled", "retrying", "pending", "under way", "ok"};
    return words.at(static_cast<std::size_t>(urgency));
}

/// `5 identities: 1 held, 4 ok; next expiry: web in 23 d (2030-…)`.
std::string summary_of(const control::Overview& overview) {
    std::map<Urgency, std::size_t> counts;
    const OverviewRow* soonest = nullptr;
    for (const OverviewRow& row : overview.rows) {
        ++counts[urgency_of(row)];
        if (row.not_after && *row.not_after > overview.at &&
            (soonest == nullptr || *row.not_after < *soonest->not_after)) {
            soonest = &row;
        }
    }
    std::string text =
        fmt::format("{} {}:", overview.rows.size(), overview.rows.size() == 1 ? "identity" : "identities");
    for (const auto& [urgency, count] : counts) {
        text += fmt::format("{} {} {}", text.ends_with(':') ? "" : ",", count, lower_case_word(urgency));
    }
    if (soonest != nullptr) {
        text +=
            fmt::format("; next expiry: {} {}", printable(soonest->name), time_text(*soonest->not_after, overview.at));
    }
    return text;
}

/// A CA or a token in a line.
struct Line {
    Light light = Light::green;
    std::string text;
};

Line line_of(const control::AuthorityView& ca, TimePoint now) {
    Line line;
    line.text = fmt::format("CA {}: {}", printable(ca.name), ca.state == "untrusted" ? "not trusted yet" : "trusted");
    if (ca.not_after) {
        const bool over = *ca.not_after <= now;
        line.text += fmt::format(", {} {}", over ? "ended" : "ends", time_text(*ca.not_after, now));
        line.light = over ? Light::red : Light::green;
    }
    if (ca.state == "untrusted") {
        line.light = Light::yellow;
    } else if (ca.state == "next-unaccepted") {
        line.light = Light::yellow;
        line.text += ", its successor waits for 'hwenroll ca accept-next " + printable(ca.name) + "'";
    } else if (ca.next_not_before) {
        line.text += ", successor known, " + (*ca.next_not_before > now ? "valid " + time_text(*ca.next_not_before, now)
                                                                        : std::string("valid already"));
    } else if (ca.state == "switched") {
        line.text += ", came by a rollover";
    }
    if (!ca.failure.empty()) {
        line.light = std::min(line.light, Light::yellow);
        line.text += "; last asked in vain: " + printable(ca.failure);
    }
    return line;
}

Line line_of(const control::TokenView& token) {
    constexpr std::int64_t long_call = 10;
    Line line{Light::green, "token " + printable(token.name) + ": "};
    if (token.state == "locked") {
        line = {Light::red, line.text + "its PIN is locked"};
    } else if (token.busy >= long_call) {
        line = {Light::yellow,
                fmt::format("{}no answer for {}, a call is under way", line.text, to_words(Seconds(token.busy)))};
    } else if (token.state == "busy") {
        line.text += "up, a call is under way";
    } else if (token.state == "failed") {
        line = {Light::red, line.text + "failed"};
    } else {
        line.text += token.state == "unused" ? "not used yet" : "up";
    }
    if (token.pin == "few-tries" || token.pin == "final-try") {
        line.light = std::min(line.light, Light::yellow);
        line.text += token.pin == "final-try" ? ", one PIN try left" : ", few PIN tries left";
    }
    if (!token.failure.empty()) {
        line.text += ": " + printable(token.failure);
    }
    return line;
}

std::vector<Line> lines_of(const control::Health& health) {
    std::vector<Line> lines;
    for (const control::AuthorityView& ca : health.authorities) {
        lines.push_back(line_of(ca, health.at));
    }
    for (const control::TokenView& token : health.tokens) {
        lines.push_back(line_of(token));
    }
    if (!health.clock.empty()) {
        lines.push_back({Light::yellow, "clock not trusted: " + printable(health.clock)});
    }
    if (!health.notice.empty()) {
        lines.push_back({Light::red, "agent: " + printable(health.notice, 2048)});
    }
    return lines;
}

std::string proposed(const StatusContent& content, std::string text) {
    return content.propose ? content.propose(text) : text;
}

std::vector<Line> lines_of(const StatusContent& content) {
    std::vector<Line> lines = content.health ? lines_of(*content.health) : std::vector<Line>();
    for (Line& line : lines) {
        line.text = proposed(content, std::move(line.text));
    }
    return lines;
}

/// In all that the agent says.
void propose_commands(StatusContent& content) {
    content.remark = proposed(content, std::move(content.remark));
    for (OverviewRow& row : content.overview.rows) {
        row.next = proposed(content, std::move(row.next));
        row.failure = proposed(content, std::move(row.failure));
    }
    for (std::string& notice : content.overview.notices) {
        notice = proposed(content, std::move(notice));
    }
}

/// The screen of a terminal. Lines are added as they are to be printed.
class TerminalScreen {
 public:
    TerminalScreen(const control::Overview& overview, const Screen& screen) : overview_(overview), screen_(screen) {
        for (const OverviewRow& row : overview.rows) {
            name_ = std::max(name_, std::min(width(printable(row.name)), longest_name));
            state_ = std::max(state_, width(printable(row.word)));
            left_ = std::max(left_, width(left_text(row, overview.at)));
        }
        const std::size_t columns = 2 + name_ + gap + state_ + gap + left_;
        tabular_ = columns <= screen.width;
        barred_ = columns + gap + bar_cells <= screen.width;
    }

    [[nodiscard]] std::vector<std::string> heading() const {
        if (!tabular_) {
            return {};
        }
        return {"  " + padded("IDENTITY", name_ + gap) + padded("STATE", state_ + gap) + "LEFT"};
    }

    [[nodiscard]] std::vector<std::string> row(const OverviewRow& row) const {
        const Urgency urgency = urgency_of(row);
        const Light light = light_of(urgency);
        const std::string name = fitted(printable(row.name), tabular_ ? name_ : room(2), ellipsis(screen_));
        const std::string word = printable(row.word);
        const std::string left = left_text(row, overview_.at);
        std::vector<std::string> lines{symbol(light, screen_) + " "};
        std::size_t used = 2;
        if (tabular_) {
            lines.back() += padded(name, name_ + gap) + painted(word, light, screen_.color) +
                            std::string(state_ - width(word) + gap, ' ') + left;
            used = 2 + name_ + gap + state_ + gap + width(left);
        } else {
            lines.back() += name;
            lines.push_back("  " + painted(fitted(word, room(2), ellipsis(screen_)), light, screen_.color));
            add(lines, "left", left == "-" ? "" : left);
            used = screen_.width;
        }
        if (barred_ && row.not_before && row.not_after) {
            lines.back() += std::string(left_ - width(left) + gap, ' ') +
                            bar_of(*row.not_before, *row.not_after, overview_.at, screen_.unicode);
            used = 2 + name_ + gap + state_ + gap + left_ + gap + bar_cells;
        }
        const std::string next = next_text(row, overview_.at);
        if (urgency == Urgency::well && used + gap + width(next) <= screen_.width) {
            lines.back() += std::string(gap, ' ') + next;
            return lines;
        }
        add(lines, "why", printable(row.failure));
        add(lines, "next", next);
        return lines;
    }

    [[nodiscard]] std::vector<std::string> line(const Line& line) const {
        std::vector<std::string> lines;
        for (const std::string& part : wrapped(line.text, room(2))) {
            lines.push_back((lines.empty() ? symbol(line.light, screen_) + " " : "  ") + part);
        }
        return lines;
    }

    [[nodiscard]] std::vector<std::string> text(const std::string& text) const { return wrapped(text, room(0)); }

 private:
    [[nodiscard]] std::size_t room(std::size_t indent) const {
        return screen_.width > indent + 4 ? screen_.width - indent : 4;
    }

    void add(std::vector<std::string>& lines, std::string_view label, const std::string& text) const {
        if (text.empty()) {
            return;
        }
        std::string head = padded("  " + std::string(label), detail_indent);
        for (const std::string& part : wrapped(text, room(detail_indent))) {
            lines.push_back(head + part);
            head.assign(detail_indent, ' ');
        }
    }

    const control::Overview& overview_;
    const Screen& screen_;
    std::size_t name_ = 8;
    std::size_t state_ = 5;
    std::size_t left_ = 4;
    bool tabular_ = true;
    bool barred_ = true;
};

std::vector<std::string> below(const StatusContent& content, const TerminalScreen& terminal) {
    std::vector<std::string> out;
    const auto add = [&](std::vector<std::string> lines) {
        out.insert(out.end(), std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
    };
    for (const Line& line : lines_of(content)) {
        add(terminal.line(line));
    }
    for (const std::string& notice : content.overview.notices) {
        add(terminal.line({Light::yellow, printable(notice, 2048)}));
    }
    add(terminal.text(summary_of(content.overview)));
    return out;
}

std::string on_terminal(const StatusContent& content, const Screen& screen) {
    const TerminalScreen terminal(content.overview, screen);
    std::vector<std::string> lines =
        content.remark.empty() ? std::vector<std::string>() : terminal.text(content.remark);
    const auto heading = terminal.heading();
    lines.insert(lines.end(), heading.begin(), heading.end());
    const std::vector<std::string> end = below(content, terminal);
    const auto& rows = content.overview.rows;
    std::size_t shown = 0;
    for (const OverviewRow& row : rows) {
        const auto more = terminal.row(row);
        // One line is left for the prompt, and one for the count of those that are not shown.
        const std::size_t needed = lines.size() + more.size() + end.size() + 1 + (&row == &rows.back() ? 0 : 1);
        if (screen.height != 0 && urgency_of(row.word) == Urgency::well && needed > screen.height) {
            break;
        }
        lines.insert(lines.end(), more.begin(), more.end());
        ++shown;
    }
    if (shown < rows.size()) {
        const auto rest =
            terminal.text(proposed(content, fmt::format("  {} more {} ok; 'hwenroll status | less' shows all",
                                                        rows.size() - shown, rows.size() - shown == 1 ? "is" : "are")));
        lines.insert(lines.end(), rest.begin(), rest.end());
    }
    lines.insert(lines.end(), end.begin(), end.end());
    std::string text;
    for (const std::string& line : lines) {
        text += line + '\n';
    }
    return text;
}

/// One line for each, whatever its length: for programs that read lines, and for files.
std::string in_lines(const StatusContent& content) {
    const control::Overview& overview = content.overview;
    std::array<std::size_t, 3> widths{8, 5, 10};
    const auto cells_of = [&](const OverviewRow& row) {
        return std::array{printable(row.name), printable(row.word), left_text(row, overview.at)};
    };
    for (const OverviewRow& row : overview.rows) {
        const auto cells = cells_of(row);
        for (std::size_t i = 0; i < cells.size(); ++i) {
            widths.at(i) = std::max(widths.at(i), width(cells.at(i)));
        }
    }
    std::string text = content.remark.empty() ? std::string() : content.remark + '\n';
    const auto add = [&](const std::array<std::string, 3>& cells, const std::string& last) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            text += padded(cells.at(i), widths.at(i) + gap);
        }
        text += last + '\n';
    };
    add({"IDENTITY", "STATE", "EXPIRES IN"}, "NEXT");
    for (const OverviewRow& row : overview.rows) {
        const bool fails = row.enabled && !row.failure.empty();
        add(cells_of(row), fails ? printable(row.failure) : next_text(row, overview.at));
    }
    for (const Line& line : lines_of(content)) {
        text += line.text + '\n';
    }
    for (const std::string& notice : overview.notices) {
        text += printable(notice, 2048) + '\n';
    }
    return text + summary_of(overview) + '\n';
}

}  // namespace

std::string bar_of(TimePoint from, TimePoint to, TimePoint now, bool unicode) {
    const auto whole = std::max<Seconds::rep>((to - from).count(), 1);
    const auto left = std::clamp<Seconds::rep>((to - now).count(), 0, whole);
    const Seconds::rep inner = unicode ? bar_cells : bar_cells - 2;
    const Seconds::rep full = (left * inner + whole - 1) / whole;  // rounded up: some is never shown as none
    std::string bar;
    for (Seconds::rep i = 0; i < inner; ++i) {
        bar += i < full ? (unicode ? "█" : "#") : (unicode ? "░" : "-");
    }
    return unicode ? bar : "[" + bar + "]";
}

std::string time_text(TimePoint time, TimePoint now) {
    std::string absolute = to_iso8601(time);  // 2030-01-04T02:00:00Z
    absolute[10] = ' ';
    absolute.erase(16, 3);
    return time >= now ? fmt::format("in {} ({})", to_words(time - now), absolute)
                       : fmt::format("{} ago ({})", to_words(now - time), absolute);
}

std::string colored(const std::string& state_word, bool color) {
    return painted(state_word, light_of(urgency_of(state_word)), color);
}

std::string screen_of(StatusContent content, const Screen& screen) {
    sort_by_urgency(content.overview.rows);
    propose_commands(content);
    return screen.terminal ? on_terminal(content, screen) : in_lines(content);
}

}  // namespace hwenroll::cli
