// An event loop that runs until a test has what it waits for.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "agent/runtime/event_loop.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// Waits until every process of the group that `leader` (a number as text) led has ended; false after ten seconds. A
/// process that nobody has reaped yet has ended.
inline bool group_ends(const std::string& leader) {
    const auto alive = [&] {
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            std::ifstream file(entry.path() / "stat");
            std::string line;
            if (!std::getline(file, line)) {
                continue;
            }
            std::istringstream fields(line.substr(line.rfind(')') + 1));
            std::string state;
            std::string parent;
            std::string group;
            fields >> state >> parent >> group;
            if (group == std::to_string(std::stoi(leader)) && state != "Z") {
                return true;
            }
        }
        return false;
    };
    for (int tries = 0; alive(); ++tries) {
        if (tries == 1000) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

class OnLoop : public testing::Test {
 protected:
    void SetUp() override {
        auto made = runtime::EventLoop::make({});
        ASSERT_TRUE(made) << made.error().line();
        loop_ = *std::move(made);
    }

    [[nodiscard]] runtime::EventLoop& loop() { return *loop_; }

    /// Runs the loop until `start(done)` has called `done(value)`; a failure after a minute.
    template <class T>
    T wait_for(const std::function<void(std::function<void(T)>)>& start) {
        std::optional<T> result;
        start([&](T value) {
            result = std::move(value);
            loop_->stop();
        });
        EXPECT_FALSE(result) << "done was called from within start()";
        const auto limit = loop_->after(std::chrono::minutes(1), [&] { loop_->stop(); });
        EXPECT_TRUE(loop_->run());
        EXPECT_TRUE(result) << "nothing came within a minute";
        return result ? *std::move(result) : T();
    }

    TemporaryDirectory directory_;

 private:
    std::unique_ptr<runtime::EventLoop> loop_;
};

}  // namespace hwenroll::test
