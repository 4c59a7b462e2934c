// The lab CA inside a test: with a clock that the test sets, and behind a socket where one is wanted.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/lab_ca/lab_ca.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::lab_ca::test {

class SettableClock final : public Clock {
 public:
    [[nodiscard]] TimePoint now() const override { return now_; }
    void advance(Seconds by) { now_ += by; }

 private:
    TimePoint now_ = std::chrono::sys_days(std::chrono::year(2030) / 6 / 1) + std::chrono::hours(12);
};

/// Challenge `lab-secret` in `directory`.
LabCaOptions default_options(const std::filesystem::path& directory);

/// A POST or GET as a client sends it.
HttpRequest post_request(Bytes message);
HttpRequest get_request(const std::string& query);

/// `message` as HTTP-11 wants it in a URL.
std::string url_form(ByteView message);

/// The ids of the findings in the last line of `directory`/lint.jsonl, in order of the line.
std::vector<std::string> last_finding_ids(const std::filesystem::path& directory);

/// Serves `service` on a loopback port from a thread until this object ends.
class ServerThread {
 public:
    explicit ServerThread(HttpService& service, HttpLimits limits = {});
    ServerThread(const ServerThread&) = delete;
    ServerThread& operator=(const ServerThread&) = delete;
    ~ServerThread();

    [[nodiscard]] std::uint16_t port() const { return server_.port(); }
    [[nodiscard]] std::size_t pauses() const { return server_.pauses(); }

 private:
    HttpServer server_;
    FileDescriptor stop_;
    std::thread thread_;
};

/// Connects a TCP socket to 127.0.0.1:`port`.
void connect_to(const FileDescriptor& socket, std::uint16_t port);

/// Sends `octets` over a connected socket and returns all that comes back until the server closes.
std::string exchange(const FileDescriptor& socket, std::string_view octets, bool half_close = true);

/// Sends `octets` to 127.0.0.1:`port` and returns all that comes back until the server closes. With `half_close` the
/// sending side is shut down first, as a client does that has no further request.
std::string exchange(std::uint16_t port, std::string_view octets, bool half_close = true);

}  // namespace hwenroll::lab_ca::test
