// Invariant 2: whoever reads while generations change sees one complete generation.
#include <atomic>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "agent/publish/file_names.h"
#include "agent/publish/publisher.h"
#include "tests/agent/publish/sample_generation.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::publish {
namespace {

constexpr std::uint64_t last_generation = 50;
constexpr int least_readings = 200;

/// Reads again and again until the writer is done and there were enough readings.
class Reader {
 public:
    Reader(std::filesystem::path identity_dir, const std::atomic<bool>& written)
        : identity_dir_(std::move(identity_dir)), written_(&written) {}

    void run() {
        while (faults_.empty() && (!written_->load() || readings_ < least_readings)) {
            read_once();
        }
    }

    [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

 private:
    [[nodiscard]] std::uint64_t current() const {
        return generation_number(std::filesystem::read_symlink(identity_dir_ / current_link).string()).value_or(0);
    }

    void read_once() {
        const std::uint64_t before = current();
        try {
            const auto files = read_current_files(identity_dir_);
            const std::string fault = inconsistency(files);
            const std::uint64_t number = number_of(files);
            if (!fault.empty() || number < before || number < newest_) {
                faults_.push_back(fmt::format("generation {} after {}: {}", number, newest_, fault));
            }
            newest_ = number;
            ++readings_;
        } catch (const std::runtime_error& error) {
            // A reader that was overtaken by three switches may find its directory emptied; none else may.
            if (current() < before + 3) {
                faults_.push_back(fmt::format("generation {}: {}", before, error.what()));
            }
        }
    }

    std::filesystem::path identity_dir_;
    const std::atomic<bool>* written_;
    std::uint64_t newest_ = 0;
    int readings_ = 0;
    std::vector<std::string> faults_;
};

TEST(Switch, invariant_2_readers_see_only_complete_generations_that_never_go_back) {
    const test::TemporaryDirectory directory;
    const SampleAuthority authority;
    const Publisher publisher(directory.path());
    ASSERT_TRUE(publisher.publish(authority.generation(1)));
    std::atomic<bool> written = false;
    std::vector<Reader> readers(2, Reader(directory / "web", written));
    std::vector<std::thread> threads;
    threads.reserve(readers.size());
    for (Reader& reader : readers) {
        threads.emplace_back([&reader] { reader.run(); });
    }
    Status done;
    for (std::uint64_t number = 2; number <= last_generation && done; ++number) {
        done = publisher.publish(authority.generation(number));
    }
    written = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(done) << done.error().line();
    for (const Reader& reader : readers) {
        EXPECT_TRUE(reader.faults().empty()) << reader.faults().front();
    }
    EXPECT_EQ(number_of(read_current_files(directory / "web")), last_generation);
}

}  // namespace
}  // namespace hwenroll::publish
