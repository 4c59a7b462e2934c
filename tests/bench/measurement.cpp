#include "tests/bench/measurement.h"

#include <array>
#include <benchmark/benchmark.h>
#include <utility>

namespace hwenroll::bench {
namespace {

constexpr double microseconds = 1e6;

class Collector : public benchmark::BenchmarkReporter {
 public:
    bool ReportContext(const Context& /*context*/) override { return true; }

    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (run.run_type == Run::RT_Iteration) {
                const auto count = static_cast<double>(run.iterations);
                Samples& samples = samples_[run.run_name.function_name];
                samples.wall.push_back(run.real_accumulated_time / count * microseconds);
                samples.cpu.push_back(run.cpu_accumulated_time / count * microseconds);
            }
        }
    }

    std::map<std::string, Samples> take() { return std::move(samples_); }

 private:
    std::map<std::string, Samples> samples_;
};

}  // namespace

Measurement::Measurement(const Options& options) : options_(options) {
    std::string program = "bench";
    std::string interleave = "--benchmark_enable_random_interleaving=true";
    std::array<char*, 3> arguments{program.data(), interleave.data(), nullptr};
    int count = 2;
    benchmark::Initialize(&count, arguments.data());
}

void Measurement::add(const std::string& name, std::function<void()> operation) {
    auto* const registered =
        benchmark::RegisterBenchmark(name.c_str(), [operation = std::move(operation)](benchmark::State& state) {
            for ([[maybe_unused]] auto each : state) {
                operation();
            }
        });
    registered->MinTime(options_.quick ? 0.01 : 0.1)->Repetitions(options_.quick ? 3 : 21)->UseRealTime();
}

std::map<std::string, Samples> Measurement::run() {
    Collector collector;
    benchmark::RunSpecifiedBenchmarks(&collector);
    return collector.take();
}

}  // namespace hwenroll::bench
