// Tables in Markdown, and the order statistics that go into them.
#pragma once

#include <string>
#include <vector>

namespace hwenroll::bench {

/// Median, and the quantile `q` of 0 to 1, interpolated. `values` is not empty.
double quantile(std::vector<double> values, double q);
double median(std::vector<double> values);

/// A table that is printed to standard output as Markdown.
class Table {
 public:
    Table(std::string title, std::vector<std::string> head);
    void add(std::vector<std::string> row);
    void print() const;

 private:
    std::string title_;
    std::vector<std::vector<std::string>> rows_;
};

/// `≤ 10 %: met` or `≤ 10 %: missed`.
std::string judged(const std::string& goal, bool met);

}  // namespace hwenroll::bench
