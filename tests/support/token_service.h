// hwenroll-token behind a socket, started as systemd starts hwenroll-token@NAME.service.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hwenroll::test {

/// Listens for packets at a path and starts hwenroll-token with that socket when somebody connects, again once it has
/// ended: what systemd does with Accept=no. All ends with this object.
class TokenService {
 public:
    /// `environment`: `NAME=value`, added to this process's; CREDENTIALS_DIRECTORY is systemd's way to hand over a PIN.
    /// Make it before this process has threads.
    explicit TokenService(const std::filesystem::path& socket, const std::vector<std::string>& environment = {});
    TokenService(const TokenService&) = delete;
    TokenService& operator=(const TokenService&) = delete;
    ~TokenService();

    /// Process ids of all workers so far, in order.
    [[nodiscard]] std::vector<pid_t> workers() const;

    /// How each of them that has ended did, as of wait(2).
    [[nodiscard]] std::vector<int> ends() const;

    /// Stops listening and starting; the socket's file stays.
    void stop();

 private:
    std::filesystem::path socket_;
    std::filesystem::path workers_;
    std::filesystem::path ends_;
    pid_t manager_ = -1;
};

}  // namespace hwenroll::test
