// The methods of io.hwenroll.Agent as one table: what each takes, who may call it, and what it does.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "agent/control/service.h"

namespace hwenroll::control {

/// What methods take, all of them together.
struct Arguments {
    std::optional<std::string> identity;
    std::optional<std::string> ca;
    std::optional<std::string> fingerprint;
    std::optional<std::string> certificate;
    std::optional<std::string> serial;
    bool rekey = false;
    std::int64_t limit = 100;
};

enum class MethodKind : std::uint8_t {
    read,    ///< one reply, for whoever may open the socket
    change,  ///< one reply; root, the agent's user and the admin group; what uses a key is one too
    stream,  ///< replies until the end, for whoever may open the socket
};

enum class Presence : std::uint8_t { absent, optional, required };

/// One of the replies to a call with `more` of which each tells of some identities.
struct Page {
    std::string parameters;  ///< JSON
    std::string last;        ///< name of its last identity: where the next page begins
    bool ended = false;      ///< it is the last
};

/// Takes the reply's parameters of a method that is answered later.
using Answered = std::function<void(const Result<nlohmann::json>&)>;

struct Method {
    std::string_view name;  ///< without the interface
    MethodKind kind = MethodKind::read;
    Presence identity = Presence::absent;
    bool takes_rekey = false;
    bool takes_limit = false;
    bool ends_when_settled = false;  ///< of a stream
    bool names_ca = false;           ///< takes `ca`, which is required
    /// The reply's parameters; null for streams, and where `begin` is set.
    Result<nlohmann::json> (*run)(ControlService& service, const Arguments& arguments) = nullptr;
    /// ControlService's pages, for a method that tells of all identities; null for others.
    Result<Page> (*page)(ControlService& service, const std::string& after, std::size_t limit) = nullptr;
    bool takes_certificate = false;  ///< `certificate`, which is required
    /// Of a change that is answered once the service knows, maybe later: takes the place of `run`.
    void (*begin)(ControlService& service, const Arguments& arguments, Answered done) = nullptr;
    bool takes_fingerprint = false;  ///< `fingerprint`, which is optional
    bool takes_serial = false;       ///< `serial`, which is required
};

/// In the order of the interface description.
std::span<const Method> methods();

/// By its name without the interface; null when there is none.
const Method* find_method(std::string_view name);

/// A parameter that a method does not take, lacks, or that is of another type or out of range.
struct BadParameter {
    std::string name;
};

/// The parameters of a call.
tl::expected<Arguments, BadParameter> arguments_of(const Method& method, const nlohmann::json& parameters);

/// What a stream begins with: one event for each identity, as it is.
Result<std::vector<IdentityEvent>> first_events(ControlService& service, const Arguments& arguments);

/// The text of io.hwenroll.Agent.varlink.
std::string_view interface_description();

/// The interface that describes the service itself: org.varlink.service.
std::string_view service_description();

}  // namespace hwenroll::control
