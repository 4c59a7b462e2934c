#include "agent/cli/status_screen.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/text_layout.h"

namespace hwenroll::test {
namespace {

using cli::Screen;
using cli::screen_of;
using cli::StatusContent;
using cli::width;
using control::OverviewRow;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Seconds day{86400};
constexpr TimePoint now{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
        lines.push_back(text.substr(at, end - at));
    }
    return lines;
}

OverviewRow well(const std::string& name, Seconds left) {
    OverviewRow row{name, true, "OK", "nothing due; expires later", true, {}, now + left};
    row.not_before = now + left - 100 * day;
    row.renew_at = now + left - 25 * day;
    return row;
}

OverviewRow without_certificate(const std::string& name, const std::string& word, const std::string& failure = {}) {
    return {name, true, word, "waits for ca, retried in 5 min (2030-01-01T00:05:00Z)", false, failure, {}};
}

StatusContent sample() {
    StatusContent content;
    content.overview.at = now;
    OverviewRow held = well("edge", 12 * day);
    held.word = "HELD(rejected)";
    held.failure = "E-CA-REJECTED edge: the CA refused the request (badRequest); its operator has to say why";
    held.next = "one retry in 20 h (2030-01-01T20:00:00Z), or 'hwenroll resume' says so";
    content.overview.rows = {well("web", 90 * day), without_certificate("new", "PENDING"),
                             without_certificate("try", "RETRYING", "E-CA-UNREACHABLE try: no answer; retried later"),
                             held, well("old", 60 * day)};
    content.health.emplace();
    content.health->at = now;
    content.health->authorities = {{"corp", "trusted", now + 400 * day, {}, {}, {}}};
    content.health->tokens = {{"lab", "up", "ok", 0, {}, true}};
    return content;
}

Screen terminal(std::size_t columns) {
    Screen screen;
    screen.terminal = true;
    screen.width = columns;
    return screen;
}

std::string find_line(const std::string& text, const std::string& part) {
    for (const std::string& line : lines_of(text)) {
        if (line.find(part) != std::string::npos) {
            return line;
        }
    }
    return {};
}

TEST(StatusScreen, O1_a_failed_delivery_says_why_and_next_within_80_columns_and_stands_before_what_is_well) {
    StatusContent content = sample();
    OverviewRow told = well("vpn", 90 * day);
    told.word = "DEPLOYING";
    told.failure =
        "E-HOOK-FAILED vpn: a hook of 'on_change' failed (/usr/bin/systemctl exited with 1); run again later";
    told.next = "tell the consumers again in 30 min (2030-01-01T00:30:00Z), or as soon as 'hwenroll resume' says so";
    content.overview.rows.push_back(told);
    const std::string text = screen_of(content, terminal(80));
    for (const std::string& line : lines_of(text)) {
        EXPECT_LE(width(line), 80U) << line;
    }
    EXPECT_THAT(find_line(text, "DEPLOYING"), testing::StartsWith("~ "));
    EXPECT_THAT(text, HasSubstr("  why   E-HOOK-FAILED vpn: a hook of 'on_change' failed"));
    EXPECT_THAT(text, HasSubstr("  next  tell the consumers again in 30 min"));
    EXPECT_THAT(text, HasSubstr("2 retrying"));
    EXPECT_LT(text.find("DEPLOYING"), text.find("PENDING"));
    const std::string plain = screen_of(content, Screen{});
    EXPECT_THAT(find_line(plain, "DEPLOYING"), HasSubstr(told.failure)) << "one line, whatever its length";
}

TEST(StatusScreen, shows_what_needs_a_person_first_with_why_and_next_and_when) {
    const auto lines = lines_of(screen_of(sample(), terminal(80)));
    EXPECT_THAT(
        lines,
        ElementsAre("  IDENTITY  STATE           LEFT", "! edge      HELD(rejected)  12 d  [#-------]",
                    "  why   E-CA-REJECTED edge: the CA refused the request (badRequest); its",
                    "        operator has to say why",
                    "  next  one retry in 20 h (2030-01-01T20:00:00Z), or 'hwenroll resume' says so",
                    "~ try       RETRYING        -", "  why   E-CA-UNREACHABLE try: no answer; retried later",
                    "  next  waits for ca, retried in 5 min (2030-01-01T00:05:00Z)", "~ new       PENDING         -",
                    "  next  waits for ca, retried in 5 min (2030-01-01T00:05:00Z)",
                    "* old       OK              60 d  [#####---]  renews in 35 d (2030-02-05 00:00Z)",
                    "* web       OK              90 d  [########]  renews in 65 d (2030-03-07 00:00Z)",
                    "* CA corp: trusted, ends in 400 d (2031-02-05 00:00Z)", "* token lab: up",
                    "5 identities: 1 held, 1 retrying, 1 pending, 2 ok; next expiry: edge in 12 d",
                    "(2030-01-13 00:00Z)"));
}

TEST(StatusScreen, puts_the_next_step_of_what_is_well_on_its_line_where_it_fits) {
    StatusContent content = sample();
    content.overview.rows = {well("web", 90 * day)};
    EXPECT_EQ(lines_of(screen_of(content, terminal(71))).at(1),
              "* web       OK     90 d  [########]  renews in 65 d (2030-03-07 00:00Z)");
    const auto below = lines_of(screen_of(content, terminal(70)));
    EXPECT_EQ(below.at(1), "* web       OK     90 d  [########]");
    EXPECT_EQ(below.at(2), "  next  renews in 65 d (2030-03-07 00:00Z)");
}

TEST(StatusScreen, no_line_is_wider_than_the_terminal_however_narrow_it_is) {
    for (const std::size_t columns : {200U, 80U, 60U, 40U, 30U, 24U, 16U}) {
        for (const bool unicode : {false, true}) {
            StatusContent content = sample();
            content.remark = "the configuration on disk is broken, the agent goes on with what it had";
            content.overview.notices = {"CA 'corp' announces a successor that an operator has to accept"};
            content.overview.rows.push_back(well(std::string(60, 'n'), 30 * day));
            content.overview.rows.push_back(well("zürich-東京", 30 * day));
            Screen screen = terminal(columns);
            screen.unicode = unicode;
            for (const std::string& line : lines_of(screen_of(content, screen))) {
                EXPECT_LE(width(line), columns) << line;
            }
        }
    }
}

TEST(StatusScreen, a_colour_is_never_the_only_sign) {
    Screen screen = terminal(80);
    screen.unicode = true;
    const std::string plain = screen_of(sample(), screen);
    screen.color = true;
    std::string colored = screen_of(sample(), screen);
    EXPECT_THAT(colored, AllOf(HasSubstr("\033[31m✖\033[0m edge"), HasSubstr("\033[31mHELD(rejected)\033[0m"),
                               HasSubstr("\033[33m◐\033[0m new"), HasSubstr("\033[32mOK\033[0m")));
    for (std::size_t at = colored.find('\033'); at != std::string::npos; at = colored.find('\033')) {
        colored.erase(at, colored.find('m', at) - at + 1);
    }
    EXPECT_EQ(colored, plain) << "and the columns are the same";
}

TEST(StatusScreen, is_plain_ascii_unless_the_locale_has_more) {
    const std::string text = screen_of(sample(), terminal(80));
    EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
    EXPECT_EQ(cli::bar_of(now, now + 10 * day, now + 5 * day, true), "█████░░░░░");
    EXPECT_EQ(cli::bar_of(now, now + 10 * day, now + 5 * day, false), "[####----]");
    EXPECT_EQ(cli::bar_of(now, now + 10 * day, now + 10 * day - Seconds(1), true), "█░░░░░░░░░") << "not yet nothing";
    EXPECT_EQ(cli::bar_of(now, now + 10 * day, now + 11 * day, true), "░░░░░░░░░░");
    EXPECT_EQ(cli::bar_of(now, now, now, true), "░░░░░░░░░░") << "of no time at all nothing is left";
}

TEST(StatusScreen, off_a_terminal_each_identity_is_one_line_however_long) {
    Screen screen;
    screen.unicode = true;
    const auto lines = lines_of(screen_of(sample(), screen));
    EXPECT_THAT(lines,
                ElementsAre("IDENTITY  STATE           EXPIRES IN  NEXT",
                            "edge      HELD(rejected)  12 d        E-CA-REJECTED edge: the CA refused the request "
                            "(badRequest); its operator has to say why",
                            "try       RETRYING        -           E-CA-UNREACHABLE try: no answer; retried later",
                            "new       PENDING         -           waits for ca, retried in 5 min "
                            "(2030-01-01T00:05:00Z)",
                            "old       OK              60 d        renews in 35 d (2030-02-05 00:00Z)",
                            "web       OK              90 d        renews in 65 d (2030-03-07 00:00Z)",
                            "CA corp: trusted, ends in 400 d (2031-02-05 00:00Z)", "token lab: up",
                            "5 identities: 1 held, 1 retrying, 1 pending, 2 ok; next expiry: edge in 12 d "
                            "(2030-01-13 00:00Z)"));
}

TEST(StatusScreen, two_hundred_identities_fit_a_screen_and_those_in_trouble_are_among_those_shown) {
    StatusContent content = sample();
    for (int i = 0; i < 200; ++i) {
        content.overview.rows.push_back(well("i" + std::to_string(i), (100 + i) * day));
    }
    Screen screen = terminal(80);
    screen.height = 24;
    const std::string text = screen_of(content, screen);
    EXPECT_LE(lines_of(text).size(), 23U) << "and the prompt";
    EXPECT_THAT(text, AllOf(HasSubstr("! edge"), HasSubstr("~ try"), HasSubstr("~ new"), HasSubstr(" more are ok; "),
                            HasSubstr("205 identities:")));
    screen.height = 5;
    EXPECT_THAT(screen_of(content, screen),
                AllOf(HasSubstr("! edge"), HasSubstr("~ new"), HasSubstr("202 more are ok")))
        << "what is not well is always shown";
    screen.height = 0;
    EXPECT_THAT(screen_of(content, screen), AllOf(HasSubstr("* i199"), Not(HasSubstr(" more are ok"))));
}

TEST(StatusScreen, T3_T10_T11_tells_how_tokens_are_as_far_as_is_known_without_asking) {
    const auto shown = [](const control::TokenView& token) {
        StatusContent content = sample();
        content.health->tokens = {token};
        return find_line(screen_of(content, terminal(200)), "token ");
    };
    EXPECT_EQ(shown({"lab", "unused", {}, 0, {}, false}), "* token lab: not used yet");
    EXPECT_EQ(shown({"lab", "busy", "ok", 3, {}, true}), "* token lab: up, a call is under way");
    EXPECT_EQ(shown({"lab", "busy", "ok", 42, {}, true}), "~ token lab: no answer for 42 s, a call is under way");
    EXPECT_EQ(shown({"lab", "up", "few-tries", 0, {}, true}), "~ token lab: up, few PIN tries left");
    EXPECT_EQ(shown({"lab", "failed", "final-try", 0, "E-TOKEN-PIN-LOW no login", false}),
              "! token lab: failed, one PIN try left: E-TOKEN-PIN-LOW no login");
    EXPECT_EQ(shown({"lab", "locked", "locked", 0, {}, false}), "! token lab: its PIN is locked");
}

TEST(StatusScreen, ROLL_8_K1_tells_where_a_ca_is_in_its_rollover_and_that_the_clock_is_doubted) {
    const auto shown = [](const control::AuthorityView& ca) {
        StatusContent content = sample();
        content.health->authorities = {ca};
        content.overview.rows.clear();
        return find_line(screen_of(content, terminal(200)), "CA ");
    };
    EXPECT_EQ(shown({"corp", "untrusted", {}, {}, {}, "E-CA-UNREACHABLE no"}),
              "~ CA corp: not trusted yet; last asked in vain: E-CA-UNREACHABLE no");
    EXPECT_EQ(shown({"corp", "next-known", now + 5 * day, now + 4 * day, now + 900 * day, {}}),
              "* CA corp: trusted, ends in 5 d (2030-01-06 00:00Z), successor known, valid in 4 d (2030-01-05 00:00Z)");
    EXPECT_THAT(shown({"corp", "next-unaccepted", now + 5 * day, now, now + 900 * day, {}}),
                AllOf(testing::StartsWith("~ "), HasSubstr("'hwenroll ca accept-next corp'")));
    EXPECT_EQ(shown({"corp", "switched", now - 5 * day, {}, {}, {}}),
              "! CA corp: trusted, ended 5 d ago (2029-12-27 00:00Z), came by a rollover");
    StatusContent content = sample();
    content.health->clock = "it is behind what was seen before";
    content.health->notice = "resting";
    EXPECT_THAT(screen_of(content, terminal(80)),
                AllOf(HasSubstr("~ clock not trusted: it is behind"), HasSubstr("! agent: resting")));
}

TEST(StatusScreen, an_expired_identity_comes_first_and_is_called_so) {
    StatusContent content = sample();
    OverviewRow expired = well("gone", -2 * day);
    expired.word = "EXPIRED";
    expired.next = "expired since 2029-12-30T00:00:00Z";
    content.overview.rows.push_back(expired);
    EXPECT_EQ(lines_of(screen_of(content, terminal(80))).at(1), "! gone      EXPIRED         expired  [--------]");
    EXPECT_THAT(screen_of(content, Screen()), HasSubstr("6 identities: 1 expired, 1 held, "));
}

TEST(TextLayout, lines_are_broken_at_blanks_and_long_words_anywhere) {
    EXPECT_THAT(cli::wrapped("one two three", 8), ElementsAre("one two", "three"));
    EXPECT_THAT(cli::wrapped("abcdefgh ij", 4), ElementsAre("abcd", "efgh", "ij"));
    EXPECT_THAT(cli::wrapped("", 4), ElementsAre(""));
    EXPECT_THAT(cli::wrapped("äöü äöü", 3), ElementsAre("äöü", "äöü"));
    EXPECT_EQ(cli::fitted("zürich", 4, "…"), "zür…");
    EXPECT_EQ(cli::fitted("zürich", 2, "..."), "..");
}

}  // namespace
}  // namespace hwenroll::test
