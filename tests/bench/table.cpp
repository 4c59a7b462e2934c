#include "tests/bench/table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::bench {
namespace {

void print_row(const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) {
        line += ' ' + cell + " |";
    }
    fmt::print("{}\n", line);
}

}  // namespace

double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    const double place = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(place));
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - std::floor(place));
}

double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

Table::Table(std::string title, std::vector<std::string> head) : title_(std::move(title)), rows_{std::move(head)} {}

void Table::add(std::vector<std::string> row) {
    rows_.push_back(std::move(row));
}

void Table::print() const {
    fmt::print("\n### {}\n\n", title_);
    print_row(rows_.front());
    print_row(std::vector<std::string>(rows_.front().size(), "---"));
    for (auto row = rows_.begin() + 1; row != rows_.end(); ++row) {
        print_row(*row);
    }
}

std::string judged(const std::string& goal, bool met) {
    return goal + (met ? ": met" : ": missed");
}

}  // namespace hwenroll::bench
