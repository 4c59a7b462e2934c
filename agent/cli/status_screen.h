// `hwenroll status` as text: what needs a person first, then what waits, then what is well. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "agent/control/service.h"

namespace hwenroll::cli {

/// What the text is printed on.
struct Screen {
    bool terminal = false;   ///< otherwise one line for each identity, however long, without colours and bars
    std::size_t width = 80;  ///< columns, of a terminal
    std::size_t height = 0;  ///< lines, of a terminal; 0: as many as there are
    bool color = false;      ///< never the only sign of anything
    bool unicode = false;    ///< the locale has it
};

/// What is shown.
struct StatusContent {
    control::Overview overview;
    std::optional<control::Health> health;  ///< nothing: nobody told
    std::string remark;                     ///< a line above all; empty: none
    /// What makes the commands in a text work as they stand; empty: they do.
    std::function<std::string(const std::string&)> propose = {};
};

/// Identities sorted by urgency, then CAs and tokens, then a summary; every line ends with a newline. On a terminal
/// that has fewer lines than that takes, identities that are well are counted in place of shown.
std::string screen_of(StatusContent content, const Screen& screen);

/// `[######----]`: how much of the time from `from` to `to` is left at `now`.
std::string bar_of(TimePoint from, TimePoint to, TimePoint now, bool unicode);

/// `in 3 d 2 h (2030-01-04 02:00Z)`, or `3 d 2 h ago (…)`.
std::string time_text(TimePoint time, TimePoint now);

/// A state word in its colour: green for good, yellow for waiting, red for bad.
std::string colored(const std::string& state_word, bool color);

}  // namespace hwenroll::cli
