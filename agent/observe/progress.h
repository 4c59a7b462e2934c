// A line on a terminal for a step that takes long; nothing anywhere else.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace hwenroll::observe {

/// Shows one step at a time, with its age from the second second on. Not thread-safe: the loop's thread.
class Progress {
 public:
    /// `visible`: standard error is a terminal that understands a carriage return.
    explicit Progress(bool visible) : visible_(visible) {}
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    /// stderr is a terminal and TERM is not `dumb`.
    static bool wanted();

    /// Begins a step; `elapsed` is counted from here by ticks of one `tick` call each 500 ms. `usual`: how long it took
    /// before, shown beside its age.
    void begin(std::string text, std::optional<std::chrono::seconds> usual = {});

    /// Repaints the line.
    void tick();

    /// Takes the line away, also before other output.
    void clear();

    /// The line as it is shown now; empty when none is.
    [[nodiscard]] std::string line() const;

    /// Time between two ticks.
    static constexpr std::chrono::milliseconds interval{500};

 private:
    void paint();
    bool visible_;
    std::string text_;
    std::optional<std::chrono::seconds> usual_;
    int ticks_ = 0;
};

}  // namespace hwenroll::observe
