// What the agent and hwenroll-hook say to each other: one packet each way on a SOCK_SEQPACKET connection. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hwenroll::runtime {

/// Longest packets that are read, in octets.
inline constexpr std::size_t max_hook_request = 128;
inline constexpr std::size_t max_hook_answer = 4096;

/// Which generation's hooks to run. All that the agent may say: what is run stands in root's configuration.
struct HookRequest {
    std::string identity;          ///< publish::is_identity_name
    std::uint64_t generation = 0;  ///< 1 or more
    friend bool operator==(const HookRequest&, const HookRequest&) = default;
};

enum class HookVerdict : std::uint8_t { succeeded, failed, timed_out, refused };

struct HookAnswer {
    HookVerdict verdict = HookVerdict::refused;
    std::string text;  ///< one line for people
    friend bool operator==(const HookAnswer&, const HookAnswer&) = default;
};

/// `hook 1 web 12`: the version of the protocol, the identity and the generation.
std::string encode(const HookRequest& request);
/// Nothing unless it is exactly what encode() makes.
std::optional<HookRequest> decode_hook_request(std::string_view packet);

/// `1 timed-out '/usr/bin/systemctl' did not end in time`, cut to max_hook_answer.
std::string encode(const HookAnswer& answer);
/// The text is made printable. Nothing for anything but the form of encode().
std::optional<HookAnswer> decode_hook_answer(std::string_view packet);

}  // namespace hwenroll::runtime
