// A client of the control socket that sends whatever a test wants.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/file_descriptor.h"

namespace hwenroll::test {

/// Never blocks, so that the server may run in the same thread. One thread.
class RawClient {
 public:
    /// Throws std::runtime_error when nobody listens there.
    explicit RawClient(const std::filesystem::path& path);

    /// Sends these octets, all of them or as many as the socket takes; how many that were.
    std::size_t send(std::string_view octets);

    /// Sends a call of io.hwenroll.Agent with its NUL.
    void call(std::string_view method, nlohmann::json parameters = nlohmann::json::object(), bool more = false);

    /// The next frame that has come, as JSON; nothing when none is whole.
    std::optional<nlohmann::json> frame();

    /// The server has closed and nothing is left to be read.
    bool ended();

    /// No more is sent.
    void finish() const;
    void close() { socket_.reset(); }

    [[nodiscard]] const std::string& unread() const { return input_; }

 private:
    void receive();
    FileDescriptor socket_;
    std::string input_;
    bool ended_ = false;
};

}  // namespace hwenroll::test
