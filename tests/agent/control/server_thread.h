// A control server with a fake service on a thread of its own, for clients that block.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/control/server.h"
#include "tests/agent/control/control_loop.h"
#include "tests/agent/control/control_service_fake.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// Listens in `runtime_dir` until it is destroyed. Everything but do_on_loop() belongs to the thread.
class ServerThread {
 public:
    /// Throws std::runtime_error when the server cannot listen.
    explicit ServerThread(const std::filesystem::path& runtime_dir);
    ServerThread(const ServerThread&) = delete;
    ServerThread& operator=(const ServerThread&) = delete;
    ~ServerThread();

    /// Calls `task` on the thread and waits for its end.
    void do_on_loop(const std::function<void(ControlServiceFake&, PeerSourceFake&)>& task);

    /// Waits until that many clients are connected; false after ten seconds.
    bool wait_for_clients(std::size_t count);

 private:
    void run();

    ControlLoop loop_;
    ControlServiceFake service_;
    PeerSourceFake peers_;
    std::unique_ptr<control::Server> server_;
    std::mutex mutex_;
    std::vector<std::packaged_task<void()>> tasks_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace hwenroll::test
