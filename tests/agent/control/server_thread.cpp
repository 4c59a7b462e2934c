#include "tests/agent/control/server_thread.h"

#include <stdexcept>

namespace hwenroll::test {

ServerThread::ServerThread(const std::filesystem::path& runtime_dir) {
    auto server = control::Server::listen({.runtime_dir = runtime_dir, .admin_group = "root", .version = "0"}, loop_,
                                          service_, peers_, [](const observe::LogRecord&) {});
    if (!server) {
        throw std::runtime_error(server.error().line());
    }
    server_ = *std::move(server);
    thread_ = std::thread([this] { run(); });
}

ServerThread::~ServerThread() {
    stopping_ = true;
    thread_.join();
}

void ServerThread::run() {
    while (!stopping_) {
        loop_.turn(std::chrono::milliseconds(5));
        std::vector<std::packaged_task<void()>> tasks;
        {
            const std::lock_guard lock(mutex_);
            tasks.swap(tasks_);
        }
        for (auto& task : tasks) {
            task();
        }
    }
}

void ServerThread::do_on_loop(const std::function<void(ControlServiceFake&, PeerSourceFake&)>& task) {
    std::packaged_task<void()> packaged([&] { task(service_, peers_); });
    std::future<void> done = packaged.get_future();
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(packaged));
    }
    done.get();
}

bool ServerThread::wait_for_clients(std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
        bool there = false;
        do_on_loop([&](ControlServiceFake&, PeerSourceFake&) { there = server_->clients() == count; });
        if (there) {
            return true;
        }
    }
    return false;
}

}  // namespace hwenroll::test
