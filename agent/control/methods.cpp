#include "agent/control/methods.h"

#include <algorithm>
#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include "agent/control/identity_view.h"
#include "agent/control/key_test_codec.h"
#include "agent/control/message.h"
#include "agent/control/overview_text.h"
#include "agent/control/view_codec.h"

namespace hwenroll::control {
namespace {

using nlohmann::json;

constexpr std::int64_t max_limit = 10'000;  // history_keep's bound on rows

template <class Value>
Result<json> as_json(const Result<Value>& value) {
    return value ? Result<json>(to_json(*value)) : fail(value.error());
}

template <class Value>
Result<json> as_json(const char* name, const Result<std::vector<Value>>& values) {
    if (!values) {
        return fail(values.error());
    }
    json list = json::array();
    for (const Value& value : *values) {
        list.push_back(to_json(value));
    }
    return json{{name, std::move(list)}};
}

Result<json> run_status(ControlService& service, const Arguments& arguments) {
    return as_json("identities", service.status(arguments.identity));
}

Result<Page> page_of_status(ControlService& service, const std::string& after, std::size_t limit) {
    const auto views = service.status_page(after, limit);
    const auto parameters = as_json("identities", views);
    return parameters ? Result<Page>(Page{text_of(*parameters), views->empty() ? after : views->back().name,
                                          views->size() < limit})
                      : fail(parameters.error());
}

Result<json> run_overview(ControlService& service, const Arguments&) {
    return as_json(service.overview_page({}, std::numeric_limits<std::size_t>::max()));
}

Result<Page> page_of_overview(ControlService& service, const std::string& after, std::size_t limit) {
    const auto overview = service.overview_page(after, limit);
    if (!overview) {
        return fail(overview.error());
    }
    const auto& rows = overview->rows;
    return Page{text_of(*overview), rows.empty() ? after : rows.back().name, rows.size() < limit};
}

Result<json> run_health(ControlService& service, const Arguments&) {
    return as_json(service.health());
}

Result<json> run_metrics(ControlService& service, const Arguments&) {
    const auto page = service.metrics_page({}, std::numeric_limits<std::size_t>::max());
    return page ? as_json<observe::MetricFamily>("metrics", page->families) : fail(page.error());
}

Result<Page> page_of_metrics(ControlService& service, const std::string& after, std::size_t limit) {
    const auto page = service.metrics_page(after, limit);
    const auto parameters = page ? as_json<observe::MetricFamily>("metrics", page->families) : fail(page.error());
    return parameters ? Result<Page>(Page{text_of(*parameters), page->last, page->ended}) : fail(parameters.error());
}

Result<json> run_enroll(ControlService& service, const Arguments& arguments) {
    return as_json(service.enroll(*arguments.identity));
}

ControlService::Accepted accepted_as_json(Answered done) {
    return [done = std::move(done)](const Result<Acceptance>& accepted) { done(as_json(accepted)); };
}

void begin_adopt(ControlService& service, const Arguments& arguments, Answered done) {
    service.adopt_certificate(*arguments.identity, *arguments.certificate, accepted_as_json(std::move(done)));
}

Result<json> run_renew(ControlService& service, const Arguments& arguments) {
    return as_json(service.renew(*arguments.identity, arguments.rekey));
}

Result<json> run_cancel(ControlService& service, const Arguments& arguments) {
    return as_json(service.cancel(*arguments.identity));
}

Result<json> run_resume(ControlService& service, const Arguments& arguments) {
    return as_json(service.resume(*arguments.identity));
}

Result<json> run_accept_next(ControlService& service, const Arguments& arguments) {
    return as_json(service.accept_next(*arguments.ca, arguments.fingerprint));
}

void begin_fetch_crl(ControlService& service, const Arguments& arguments, Answered done) {
    service.fetch_crl(*arguments.ca, accepted_as_json(std::move(done)));
}

void begin_fetch_certificate(ControlService& service, const Arguments& arguments, Answered done) {
    service.fetch_certificate(*arguments.ca, *arguments.serial, accepted_as_json(std::move(done)));
}

void begin_test_keys(ControlService& service, const Arguments& arguments, Answered done) {
    service.test_keys(arguments.identity, [done = std::move(done)](const Result<std::vector<KeyTestView>>& tests) {
        done(as_json("tests", tests));
    });
}

Result<json> run_history(ControlService& service, const Arguments& arguments) {
    return as_json("events", service.history(arguments.identity, arguments.limit));
}

constexpr std::array table{
    Method{"Status", MethodKind::read, Presence::optional, false, false, false, false, run_status, page_of_status},
    Method{"Overview", MethodKind::read, Presence::absent, false, false, false, false, run_overview, page_of_overview},
    Method{"Health", MethodKind::read, Presence::absent, false, false, false, false, run_health},
    Method{"Metrics", MethodKind::read, Presence::absent, false, false, false, false, run_metrics, page_of_metrics},
    Method{"Enroll", MethodKind::change, Presence::required, false, false, false, false, run_enroll},
    Method{"Adopt", MethodKind::change, Presence::required, false, false, false, false, nullptr, nullptr, true,
           begin_adopt},
    Method{"Renew", MethodKind::change, Presence::required, true, false, false, false, run_renew},
    Method{"Wait", MethodKind::stream, Presence::required, false, false, true, false, nullptr},
    Method{"Cancel", MethodKind::change, Presence::required, false, false, false, false, run_cancel},
    Method{"Resume", MethodKind::change, Presence::required, false, false, false, false, run_resume},
    Method{"AcceptNext", MethodKind::change, Presence::absent, false, false, false, true, run_accept_next, nullptr,
           false, nullptr, true},
    Method{"FetchCrl", MethodKind::change, Presence::absent, false, false, false, true, nullptr, nullptr, false,
           begin_fetch_crl},
    Method{"FetchCertificate", MethodKind::change, Presence::absent, false, false, false, true, nullptr, nullptr, false,
           begin_fetch_certificate, false, true},
    Method{"TestKeys", MethodKind::change, Presence::optional, false, false, false, false, nullptr, nullptr, false,
           begin_test_keys},
    Method{"History", MethodKind::read, Presence::optional, false, true, false, false, run_history},
    Method{"Monitor", MethodKind::stream, Presence::absent, false, false, false, false, nullptr},
};

bool take(const Method& method, const std::string& name, const json& value, Arguments& arguments) {
    if (name == "identity" && method.identity != Presence::absent && value.is_string()) {
        arguments.identity = value.get<std::string>();
        return true;
    }
    if (name == "rekey" && method.takes_rekey && value.is_boolean()) {
        arguments.rekey = value.get<bool>();
        return true;
    }
    if (name == "limit" && method.takes_limit && value.is_number_integer()) {
        arguments.limit = value.get<std::int64_t>();
        return arguments.limit > 0 && arguments.limit <= max_limit;
    }
    if (name == "certificate" && method.takes_certificate && value.is_string()) {
        arguments.certificate = value.get<std::string>();
        return arguments.certificate->size() <= max_adopted_text;
    }
    if (name == "ca" && method.names_ca && value.is_string()) {
        arguments.ca = value.get<std::string>();
        return true;
    }
    if (name == "serial" && method.takes_serial && value.is_string()) {
        arguments.serial = value.get<std::string>();
        return true;
    }
    if (name == "fingerprint" && method.takes_fingerprint && value.is_string()) {
        arguments.fingerprint = value.get<std::string>();
        return true;
    }
    return value.is_null() && ((name == "fingerprint" && method.takes_fingerprint) ||
                               (name == "identity" && method.identity != Presence::absent) ||
                               (name == "rekey" && method.takes_rekey) || (name == "limit" && method.takes_limit));
}

}  // namespace

std::span<const Method> methods() {
    return table;
}

const Method* find_method(std::string_view name) {
    const auto* const found =
        std::find_if(table.begin(), table.end(), [&](const Method& method) { return method.name == name; });
    return found == table.end() ? nullptr : found;
}

tl::expected<Arguments, BadParameter> arguments_of(const Method& method, const json& parameters) {
    Arguments arguments;
    for (const auto& [name, value] : parameters.items()) {
        if (!take(method, name, value, arguments)) {
            return tl::unexpected<BadParameter>(BadParameter{name});
        }
    }
    if (method.identity == Presence::required && !arguments.identity) {
        return tl::unexpected<BadParameter>(BadParameter{"identity"});
    }
    if (method.takes_certificate && !arguments.certificate) {
        return tl::unexpected<BadParameter>(BadParameter{"certificate"});
    }
    if (method.names_ca && !arguments.ca) {
        return tl::unexpected<BadParameter>(BadParameter{"ca"});
    }
    if (method.takes_serial && !arguments.serial) {
        return tl::unexpected<BadParameter>(BadParameter{"serial"});
    }
    return arguments;
}

Result<std::vector<IdentityEvent>> first_events(ControlService& service, const Arguments& arguments) {
    const auto views = service.status(arguments.identity);
    if (!views) {
        return fail(views.error());
    }
    std::vector<IdentityEvent> events;
    for (const IdentityView& view : *views) {
        events.push_back(event_of(view));
    }
    return events;
}

std::string_view service_description() {
    return R"(# What every Varlink service tells about itself.
interface org.varlink.service

# Who made the service, and which interfaces it has.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# The description of one of its interfaces.
method GetInterfaceDescription(interface: string) -> (description: string)

# There is no interface of that name.
error InterfaceNotFound (interface: string)

# There is no method of that name.
error MethodNotFound (method: string)

# The method is described but does nothing here.
error MethodNotImplemented (method: string)

# A parameter is unknown, missing, of the wrong type or out of range.
error InvalidParameter (parameter: string)

# The caller may not call the method.
error PermissionDenied ()

# The method has several replies and is to be called with `more`.
error ExpectedMore ()
)";
}

}  // namespace hwenroll::control
