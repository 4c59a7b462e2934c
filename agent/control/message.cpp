#include "agent/control/message.h"

#include <algorithm>

#include <fmt/format.h>

namespace hwenroll::control {
namespace {

using nlohmann::json;

/// Counted before the parser sees the text, so that no parser's stack depends on it.
bool nested_too_deeply(std::string_view text) {
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_nesting) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return false;
}

Result<json> parse_object(std::string_view frame) {
    const auto refused = [](std::string why) {
        return fail(ErrorCode::control_protocol, "a message on the control socket is malformed", std::move(why));
    };
    if (nested_too_deeply(frame)) {
        return refused(fmt::format("its JSON is nested deeper than {} levels", max_nesting));
    }
    json value = json::parse(frame, nullptr, false);
    if (value.is_discarded()) {
        return refused("it is no JSON");
    }
    if (!value.is_object()) {
        return refused("it is no JSON object");
    }
    return value;
}

/// Takes typed members out of an object and remembers the first of another type.
class Members {
 public:
    explicit Members(json& object) : object_(object) {}

    void take(const char* name, std::string& into, bool required = false) {
        if (json* value = find(name, json::value_t::string, required); value != nullptr) {
            into = std::move(value->get_ref<std::string&>());
        }
    }
    void take(const char* name, bool& into) {
        if (const json* value = find(name, json::value_t::boolean, false); value != nullptr) {
            into = value->get<bool>();
        }
    }
    void take_object(const char* name, json& into) {
        if (json* value = find(name, json::value_t::object, false); value != nullptr) {
            into = std::move(*value);
        }
    }

    [[nodiscard]] Status status() const {
        return bad_ == nullptr ? Status()
                               : fail(ErrorCode::control_protocol, "a message on the control socket is malformed",
                                      fmt::format("its member '{}' is missing or of the wrong type", bad_));
    }

 private:
    json* find(const char* name, json::value_t type, bool required) {
        const auto found = object_.find(name);
        if (found == object_.end() || found->is_null()) {
            bad_ = required && bad_ == nullptr ? name : bad_;
            return nullptr;
        }
        if (found->type() != type) {
            bad_ = bad_ == nullptr ? name : bad_;
            return nullptr;
        }
        return &*found;
    }

    json& object_;
    const char* bad_ = nullptr;
};

std::string frame_of(const json& message) {
    std::string text = text_of(message);
    text.push_back('\0');
    return text;
}

/// The code with that spelling; nothing when this program does not know it.
const ErrorInfo* find_code(std::string_view name) {
    const auto table = error_table();
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const ErrorInfo& info) { return info.name == name; });
    return found == table.end() ? nullptr : &*found;
}

std::string text_member(const json& parameters, const char* name) {
    const auto found = parameters.find(name);
    return found != parameters.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Error failure_of(const json& parameters) {
    const std::string code = text_member(parameters, "code");
    const ErrorInfo* const info = find_code(code);
    std::string what = text_member(parameters, "what");
    if (info == nullptr) {
        return Error(ErrorCode::control_protocol, std::move(what), "the agent's error code is " + code);
    }
    return Error(info->code, std::move(what), text_member(parameters, "why"), text_member(parameters, "next"))
        .about(text_member(parameters, "subject"));
}

}  // namespace

std::string text_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string encode_reply(std::string_view parameters, bool continues) {
    std::string frame = continues ? R"({"continues":true,"parameters":)" : R"({"parameters":)";
    frame.reserve(frame.size() + parameters.size() + 2);
    (frame += parameters) += '}';
    frame.push_back('\0');
    return frame;
}

Result<Call> parse_call(std::string_view frame) {
    auto object = parse_object(frame);
    if (!object) {
        return fail(object.error());
    }
    Call call;
    bool upgrade = false;
    Members members(*object);
    members.take("method", call.method, true);
    members.take_object("parameters", call.parameters);
    members.take("more", call.more);
    members.take("oneway", call.oneway);
    members.take("upgrade", upgrade);
    if (const Status status = members.status(); !status) {
        return fail(status.error());
    }
    if (upgrade) {
        return fail(ErrorCode::control_protocol, "no method of the control socket upgrades its connection");
    }
    return call;
}

Result<Reply> parse_reply(std::string_view frame) {
    auto object = parse_object(frame);
    if (!object) {
        return fail(object.error());
    }
    Reply reply;
    Members members(*object);
    members.take("error", reply.error);
    members.take_object("parameters", reply.parameters);
    members.take("continues", reply.continues);
    if (const Status status = members.status(); !status) {
        return fail(status.error());
    }
    return reply;
}

std::string encode(const Call& call) {
    json message{{"method", call.method}, {"parameters", call.parameters}};
    if (call.more) {
        message["more"] = true;
    }
    if (call.oneway) {
        message["oneway"] = true;
    }
    return frame_of(message);
}

std::string encode(const Reply& reply) {
    // Not as one value, which would be a copy of parameters that may tell of thousands of identities.
    if (reply.error.empty()) {
        return encode_reply(text_of(reply.parameters), reply.continues);
    }
    return frame_of({{"error", reply.error}, {"parameters", reply.parameters}});
}

Reply failure_reply(const Error& error) {
    return {std::string(agent_prefix) + "Failed",
            {{"code", error.info().name},
             {"subject", error.subject()},
             {"what", error.what()},
             {"why", error.why()},
             {"next", error.next()}}};
}

Error error_of(const Reply& reply) {
    if (reply.error == std::string(agent_prefix) + "Failed") {
        return failure_of(reply.parameters);
    }
    if (reply.error == std::string(agent_prefix) + "PermissionDenied") {
        const std::string group = text_member(reply.parameters, "group");
        return Error(
            ErrorCode::control_denied, "the agent lets this user read but change nothing", {},
            group.empty() ? "run it as root" : fmt::format("run it as root or as a member of the group '{}'", group));
    }
    if (reply.error == std::string(agent_prefix) + "TooManyClients") {
        return Error(ErrorCode::control_busy, "the agent has no connection to spare");
    }
    std::string detail = text_member(reply.parameters, "reason");
    for (const char* name : {"method", "parameter", "interface"}) {
        detail = detail.empty() ? text_member(reply.parameters, name) : detail;
    }
    return Error(ErrorCode::control_protocol, "the agent did not understand the request",
                 detail.empty() ? reply.error : reply.error + ": " + detail);
}

}  // namespace hwenroll::control
