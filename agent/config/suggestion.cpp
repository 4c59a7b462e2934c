#include "agent/config/suggestion.h"

#include <algorithm>
#include <utility>

namespace hwenroll::config {
namespace {

/// Damerau's distance (optimal string alignment): insertions, deletions, replacements and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> distance(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                distance[i][j] = i + j;
                continue;
            }
            const std::size_t replaced = distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            distance[i][j] = std::min({replaced, distance[i - 1][j] + 1, distance[i][j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
            }
        }
    }
    return distance[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(word.size(), 64) / 3) + 1;
    for (const std::string& candidate : candidates) {
        if (const std::size_t distance = edit_distance(word.substr(0, 64), candidate); distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return std::string(best);
}

Error no_such_name(std::string_view what, const std::string& name, const std::vector<std::string>& known,
                   std::string next) {
    const std::string near = nearest(name, known);
    return Error(ErrorCode::unknown_name, "there is no " + std::string(what) + " '" + name + "'", {},
                 near.empty() ? std::move(next) : "did you mean '" + near + "'?");
}

}  // namespace hwenroll::config
