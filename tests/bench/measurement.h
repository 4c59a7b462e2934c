// Google Benchmark, used for its timing only: the programs make their own tables of what it measures.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/options.h"

namespace hwenroll::bench {

/// Time of one operation in microseconds, one value for each repetition.
struct Samples {
    std::vector<double> wall;
    std::vector<double> cpu;  ///< of this thread
};

/// Operations that are measured beside each other: repetitions of all of them run in a random order, so that what the
/// machine does meanwhile falls on all alike. Call them on one thread.
class Measurement {
 public:
    explicit Measurement(const Options& options);

    /// `operation` throws when it fails, which ends the measurement.
    void add(const std::string& name, std::function<void()> operation);

    /// Runs everything that was added. Once in a process.
    std::map<std::string, Samples> run();

 private:
    const Options options_;
};

}  // namespace hwenroll::bench
