// What the agent has done since its process began, for monitoring: counters that only rise.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hwenroll::runtime {

/// What came back for a message (17, 19 or a poll). A message that is sent again counts again.
enum class RequestResult : std::uint8_t {
    granted,     ///< a certificate, and it was accepted
    pending,     ///< the CA decides
    rejected,    ///< the CA refused
    unusable,    ///< an answer that could not be used
    unanswered,  ///< none
};

enum class TokenOperation : std::uint8_t { login, generate, find, list, sign, decrypt, agree, certify, destroy };

/// Thread-safe.
class WorkCounts {
 public:
    static constexpr std::array<std::string_view, 5> request_results{"granted", "pending", "rejected", "unusable",
                                                                     "unanswered"};
    static constexpr std::array<std::string_view, 9> token_operations{
        "login", "generate", "find", "list", "sign", "decrypt", "agree", "certify", "destroy"};

    void count(RequestResult result) { ++requests_[static_cast<std::size_t>(result)]; }
    void count(TokenOperation operation) { ++operations_[static_cast<std::size_t>(operation)]; }

    [[nodiscard]] std::uint64_t of(RequestResult result) const { return requests_[static_cast<std::size_t>(result)]; }
    [[nodiscard]] std::uint64_t of(TokenOperation operation) const {
        return operations_[static_cast<std::size_t>(operation)];
    }

 private:
    std::array<std::atomic<std::uint64_t>, request_results.size()> requests_{};
    std::array<std::atomic<std::uint64_t>, token_operations.size()> operations_{};
};

}  // namespace hwenroll::runtime
