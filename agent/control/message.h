// Varlink's messages: calls, replies and errors.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace hwenroll::control {

/// The interface of our own methods, with a dot: `io.hwenroll.Agent.`.
inline constexpr std::string_view agent_prefix = "io.hwenroll.Agent.";
/// The interface that every Varlink service has, with a dot.
inline constexpr std::string_view service_prefix = "org.varlink.service.";

/// What a client sends.
struct Call {
    std::string method;  ///< fully qualified
    nlohmann::json parameters = nlohmann::json::object();
    bool more = false;    ///< several replies are welcome
    bool oneway = false;  ///< no reply is wanted
};

/// What a server sends. It is an error when `error` is not empty.
struct Reply {
    std::string error = {};  ///< fully qualified
    nlohmann::json parameters = nlohmann::json::object();
    bool continues = false;  ///< another reply to the same call follows
};

/// JSON nested deeper than this is refused: the deepest message of the interface has four levels.
inline constexpr std::size_t max_nesting = 16;

/// Reads a frame. Error code: control_protocol (no JSON, no object, nested too deeply, members of another type,
/// "upgrade"). Unknown members are ignored, as Varlink wants.
Result<Call> parse_call(std::string_view frame);
Result<Reply> parse_reply(std::string_view frame);

/// The frame of a message, with its NUL. Text that is no UTF-8 is replaced, never refused.
std::string encode(const Call& call);
std::string encode(const Reply& reply);

/// The text of a value without line ends.
std::string text_of(const nlohmann::json& value);

/// The frame of a reply that is no error, of the text of its parameters.
std::string encode_reply(std::string_view parameters, bool continues);

/// `error` as the reply that carries all its parts: io.hwenroll.Agent.Failed.
Reply failure_reply(const Error& error);

/// The Error that an error reply stands for. Our own Failed gives back what failure_reply() was made of; any other
/// gives control_denied, control_busy or control_protocol.
Error error_of(const Reply& reply);

}  // namespace hwenroll::control
