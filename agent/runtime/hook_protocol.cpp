#include "agent/runtime/hook_protocol.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "agent/publish/file_names.h"
#include "base/error.h"

namespace hwenroll::runtime {
namespace {

constexpr std::string_view request_head = "hook 1 ";
constexpr std::string_view answer_head = "1 ";

constexpr std::array<std::pair<HookVerdict, std::string_view>, 4> verdict_words{{
    {HookVerdict::succeeded, "succeeded"},
    {HookVerdict::failed, "failed"},
    {HookVerdict::timed_out, "timed-out"},
    {HookVerdict::refused, "refused"},
}};

std::string_view word_of(HookVerdict verdict) {
    for (const auto& [value, word] : verdict_words) {
        if (value == verdict) {
            return word;
        }
    }
    return "refused";
}

}  // namespace

std::string encode(const HookRequest& request) {
    return fmt::format("{}{} {}", request_head, request.identity, request.generation);
}

std::optional<HookRequest> decode_hook_request(std::string_view packet) {
    if (packet.size() > max_hook_request || !packet.starts_with(request_head)) {
        return std::nullopt;
    }
    const std::string_view rest = packet.substr(request_head.size());
    const auto space = rest.find(' ');
    if (space == std::string_view::npos) {
        return std::nullopt;
    }
    HookRequest request{std::string(rest.substr(0, space))};
    const std::string_view digits = rest.substr(space + 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), request.generation);
    // Written back it has to be the same: no sign, leading zero, blank or trailing octet.
    const bool exact = error == std::errc() && stop == digits.data() + digits.size() && encode(request) == packet;
    if (!exact || request.generation == 0 || !publish::is_identity_name(request.identity)) {
        return std::nullopt;
    }
    return request;
}

std::string encode(const HookAnswer& answer) {
    const std::string head = fmt::format("{}{} ", answer_head, word_of(answer.verdict));
    constexpr std::size_t ellipsis = 3;
    return head + printable(answer.text, max_hook_answer - head.size() - ellipsis);
}

std::optional<HookAnswer> decode_hook_answer(std::string_view packet) {
    if (packet.size() > max_hook_answer || !packet.starts_with(answer_head)) {
        return std::nullopt;
    }
    const std::string_view rest = packet.substr(answer_head.size());
    for (const auto& [verdict, word] : verdict_words) {
        if (rest.starts_with(word) && rest.substr(word.size()).starts_with(' ')) {
            return HookAnswer{verdict, printable(rest.substr(word.size() + 1), max_hook_answer)};
        }
    }
    return std::nullopt;
}

}  // namespace hwenroll::runtime
