#include "agent/control/key_test_codec.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hwenroll::control {
namespace {

using nlohmann::json;

struct Member {
    const char* name;
    std::string KeyTestView::*text;
    bool required;
};

constexpr std::array members{
    Member{"identity", &KeyTestView::identity, true}, Member{"outcome", &KeyTestView::outcome, true},
    Member{"token", &KeyTestView::token, false},      Member{"key", &KeyTestView::key, false},
    Member{"reason", &KeyTestView::reason, false},    Member{"next", &KeyTestView::next, false},
};

tl::unexpected<Error> malformed(std::string_view member) {
    return fail(ErrorCode::control_protocol, "the agent's answer is malformed",
                fmt::format("its member '{}' is missing or not understood", member));
}

}  // namespace

json to_json(const KeyTestView& test) {
    json object = json::object();
    for (const Member& member : members) {
        const std::string& text = test.*member.text;
        if (member.required || !text.empty()) {
            object[member.name] = text;
        }
    }
    if (test.error) {
        object["error"] = error_info(*test.error).name;
    }
    return object;
}

Result<KeyTestView> key_test_of(const json& value) {
    if (!value.is_object()) {
        return malformed("(the object)");
    }
    const auto text_of = [&](const char* name) -> std::optional<std::string> {
        const auto found = value.find(name);
        const bool missing = found == value.end() || found->is_null();
        return missing ? std::string() : found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
    };
    KeyTestView test;
    for (const Member& member : members) {
        auto text = text_of(member.name);
        if (!text || (member.required && text->empty())) {
            return malformed(member.name);
        }
        test.*member.text = *std::move(text);
    }
    const auto error = text_of("error");
    const auto known =
        std::ranges::find_if(error_table(), [&](const ErrorInfo& info) { return error && info.name == *error; });
    if (known != error_table().end()) {
        test.error = known->code;
    } else if (!error || !error->empty()) {
        return malformed("error");
    }
    return test;
}

}  // namespace hwenroll::control
