#include "agent/publish/file_names.h"

#include <charconv>

#include <fmt/format.h>

namespace hwenroll::publish {
namespace {

constexpr std::string_view generation_prefix = "gen-";
constexpr std::string_view temporary_prefix = ".tmp-";

}  // namespace

std::string generation_name(std::uint64_t number) {
    return fmt::format("{}{:03}", generation_prefix, number);
}

std::optional<std::uint64_t> generation_number(std::string_view name) {
    if (!name.starts_with(generation_prefix)) {
        return std::nullopt;
    }
    const std::string_view digits = name.substr(generation_prefix.size());
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || generation_name(number) != name) {
        return std::nullopt;
    }
    return number;
}

std::string temporary_name(std::string_view name) {
    return fmt::format("{}{}", temporary_prefix, name);
}

bool is_temporary(std::string_view name) {
    return name.starts_with(temporary_prefix);
}

bool is_identity_name(std::string_view name) {
    constexpr std::string_view first = "abcdefghijklmnopqrstuvwxyz0123456789";
    constexpr std::string_view other = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= 64 && first.find(name.front()) != std::string_view::npos &&
           name.find_first_not_of(other) == std::string_view::npos;
}

}  // namespace hwenroll::publish
