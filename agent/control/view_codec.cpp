#include "agent/control/view_codec.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hwenroll::control {
namespace {

using nlohmann::json;

/// Optional members are left out rather than null.
void put(json& object, const char* name, const std::string& text) {
    if (!text.empty()) {
        object[name] = text;
    }
}

void put(json& object, const char* name, const std::optional<TimePoint>& time) {
    if (time) {
        object[name] = to_iso8601(*time);
    }
}

std::optional<ErrorCode> code_of(std::string_view name) {
    for (const ErrorInfo& info : error_table()) {
        if (info.name == name) {
            return info.code;
        }
    }
    return std::nullopt;
}

/// Reads members of an object and remembers the first that is not as it should be.
class Reader {
 public:
    explicit Reader(const json& object) : object_(object) {
        if (!object.is_object()) {
            bad_ = "(the object)";
        }
    }

    void read(const char* name, std::string& into) {
        read_text(name, true, [&](const std::string& t) { return (into = t, true); });
    }
    void read_optional(const char* name, std::string& into) {
        read_text(name, false, [&](const std::string& t) { return (into = t, true); });
    }
    void read(const char* name, TimePoint& into) {
        read_text(name, true, [&](const std::string& text) {
            const auto time = time_of(text);
            into = time.value_or(into);
            return time.has_value();
        });
    }
    void read(const char* name, std::optional<TimePoint>& into) {
        read_text(name, false, [&](const std::string& text) { return (into = time_of(text)).has_value(); });
    }
    void read(const char* name, std::optional<ErrorCode>& into) {
        read_text(name, false, [&](const std::string& text) { return (into = code_of(text)).has_value(); });
    }
    void read(const char* name, ErrorCode& into) {
        read_text(name, true, [&](const std::string& text) {
            const auto code = code_of(text);
            into = code.value_or(into);
            return code.has_value();
        });
    }
    void read(const char* name, bool& into) {
        const json* value = find(name, true);
        if (value != nullptr && expect(name, value->is_boolean())) {
            into = value->get<bool>();
        }
    }
    void read_optional(const char* name, bool& into) {
        const json* value = find(name, false);
        if (value != nullptr && expect(name, value->is_boolean())) {
            into = value->get<bool>();
        }
    }
    void read(const char* name, std::int64_t& into) {
        const json* value = find(name, true);
        if (value != nullptr && expect(name, value->is_number_integer())) {
            into = value->get<std::int64_t>();
        }
    }
    void read(const char* name, std::optional<std::int64_t>& into) {
        const json* value = find(name, false);
        if (value != nullptr && expect(name, value->is_number_integer())) {
            into = value->get<std::int64_t>();
        }
    }

    /// Has `take` look at each entry; false when it is not as it should be.
    template <class Take>
    void read_list(const char* name, Take take) {
        const json* value = find(name, true);
        if (value != nullptr && expect(name, value->is_array())) {
            expect(name, std::ranges::all_of(*value, take));
        }
    }

    /// The member if it is there.
    const json* find(const char* name, bool required) {
        if (!bad_.empty()) {
            return nullptr;
        }
        const auto found = object_.find(name);
        if (found == object_.end() || found->is_null()) {
            expect(name, !required);
            return nullptr;
        }
        return &*found;
    }

    template <class Value>
    Result<Value> finish(Value value) const {
        if (!bad_.empty()) {
            return fail(ErrorCode::control_protocol, "the agent's answer is malformed",
                        fmt::format("its member '{}' is missing or not understood", bad_));
        }
        return value;
    }

    void adopt(const char* name, bool good) { expect(name, good); }

 private:
    template <class Take>
    void read_text(const char* name, bool required, Take take) {
        const json* value = find(name, required);
        if (value != nullptr && expect(name, value->is_string())) {
            expect(name, take(value->get_ref<const std::string&>()));
        }
    }

    bool expect(const char* name, bool good) {
        if (!good && bad_.empty()) {
            bad_ = name;
        }
        return good;
    }

    const json& object_;
    std::string bad_;
};

json to_json(const CertificateView& view) {
    return {{"subject", view.subject},
            {"issuer", view.issuer},
            {"serial", view.serial},
            {"fingerprint", view.fingerprint},
            {"not_before", to_iso8601(view.not_before)},
            {"not_after", to_iso8601(view.not_after)}};
}

json to_json(const FailureView& view) {
    return {{"error", error_info(view.code).name},
            {"text", view.line},
            {"at", to_iso8601(view.at)},
            {"consecutive", view.consecutive}};
}

json to_json(const CrlView& view) {
    json out{{"source", view.source}, {"entries", view.entries}, {"next_fetch", to_iso8601(view.next_fetch)}};
    put(out, "number", view.number);
    put(out, "this_update", view.this_update);
    put(out, "next_update", view.next_update);
    put(out, "failure", view.failure);
    return out;
}

json to_json(const DeliveryView& view) {
    json out{{"generation", view.generation}, {"attempts", view.attempts}, {"next_try", to_iso8601(view.next_try)}};
    if (view.code) {
        out["error"] = error_info(*view.code).name;
    }
    put(out, "text", view.line);
    put(out, "since", view.since);
    put(out, "confirmed_not_after", view.confirmed_end);
    return out;
}

json to_json(const OverviewRow& row) {
    json out = json::object();
    out["name"] = row.name;
    out["enabled"] = row.enabled;
    out["state"] = row.word;
    out["next"] = row.next;
    out["settled"] = row.settled;
    put(out, "failure", row.failure);
    put(out, "not_after", row.not_after);
    put(out, "not_before", row.not_before);
    put(out, "renew_at", row.renew_at);
    return out;
}

Result<OverviewRow> overview_row_of(const json& value) {
    OverviewRow row;
    Reader reader(value);
    reader.read("name", row.name);
    reader.read("enabled", row.enabled);
    reader.read("state", row.word);
    reader.read("next", row.next);
    reader.read("settled", row.settled);
    reader.read_optional("failure", row.failure);
    reader.read("not_after", row.not_after);
    reader.read("not_before", row.not_before);
    reader.read("renew_at", row.renew_at);
    return reader.finish(std::move(row));
}

Result<CertificateView> certificate_view_of(const json& value) {
    CertificateView view;
    Reader reader(value);
    reader.read("subject", view.subject);
    reader.read("issuer", view.issuer);
    reader.read("serial", view.serial);
    reader.read("fingerprint", view.fingerprint);
    reader.read("not_before", view.not_before);
    reader.read("not_after", view.not_after);
    return reader.finish(std::move(view));
}

Result<CrlView> crl_view_of(const json& value) {
    CrlView view;
    Reader reader(value);
    reader.read("source", view.source);
    reader.read_optional("number", view.number);
    reader.read("this_update", view.this_update);
    reader.read("next_update", view.next_update);
    reader.read("entries", view.entries);
    reader.read("next_fetch", view.next_fetch);
    reader.read_optional("failure", view.failure);
    return reader.finish(std::move(view));
}

Result<DeliveryView> delivery_view_of(const json& value) {
    DeliveryView view;
    Reader reader(value);
    reader.read("generation", view.generation);
    reader.read("attempts", view.attempts);
    reader.read("error", view.code);
    reader.read_optional("text", view.line);
    reader.read("since", view.since);
    reader.read("next_try", view.next_try);
    reader.read("confirmed_not_after", view.confirmed_end);
    return reader.finish(std::move(view));
}

Result<FailureView> failure_view_of(const json& value) {
    FailureView view;
    Reader reader(value);
    reader.read("error", view.code);
    reader.read("text", view.line);
    reader.read("at", view.at);
    reader.read("consecutive", view.consecutive);
    return reader.finish(std::move(view));
}

Result<observe::MetricSample> metric_sample_of(const json& value) {
    observe::MetricSample sample;
    Reader reader(value);
    reader.read("value", sample.value);
    const json* const labels = reader.find("labels", true);
    bool good = labels != nullptr && labels->is_object();
    if (good) {
        for (const auto& [name, text] : labels->items()) {
            good = good && text.is_string();
            sample.labels[name] = text.is_string() ? text.get<std::string>() : std::string();
        }
    }
    reader.adopt("labels", good);
    return reader.finish(std::move(sample));
}

}  // namespace

std::optional<TimePoint> time_of(std::string_view text) {
    constexpr std::string_view shape = "dddd-dd-ddTdd:dd:ddZ";
    const auto fits = [](char c, char wanted) { return wanted == 'd' ? c >= '0' && c <= '9' : c == wanted; };
    if (text.size() != shape.size() || !std::equal(text.begin(), text.end(), shape.begin(), fits)) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t at, std::size_t size) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                           std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                           std::chrono::day(static_cast<unsigned>(number(8, 2))));
    if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + std::chrono::hours(number(11, 2)) + std::chrono::minutes(number(14, 2)) +
           Seconds(number(17, 2));
}

json to_json(const IdentityView& view) {
    json out{{"name", view.name},        {"enabled", view.enabled},         {"state", view.word},
             {"next", view.next},        {"waiting_for", view.waiting_for}, {"settled", view.settled},
             {"at", to_iso8601(view.at)}};
    put(out, "ca", view.ca);
    put(out, "token", view.token);
    put(out, "subject", view.subject);
    put(out, "notice", view.notice);
    put(out, "next_at", view.next_at);
    put(out, "renew_at", view.renew_at);
    put(out, "shadow_not_before", view.shadow_not_before);
    put(out, "published", view.published);
    put(out, "key_id", view.key_id);
    if (view.generation) {
        out["generation"] = *view.generation;
    }
    if (view.certificate) {
        out["certificate"] = to_json(*view.certificate);
    }
    if (view.failure) {
        out["last_error"] = to_json(*view.failure);
    }
    if (view.crl) {
        out["crl"] = to_json(*view.crl);
    }
    if (view.delivery) {
        out["delivery"] = to_json(*view.delivery);
    }
    return out;
}

json to_json(const Overview& overview) {
    json rows = json::array();
    for (const OverviewRow& row : overview.rows) {
        rows.push_back(to_json(row));
    }
    json out{{"at", to_iso8601(overview.at)}, {"notices", overview.notices}};
    out["rows"] = std::move(rows);
    return out;
}

json to_json(const AuthorityView& view) {
    json out{{"name", view.name}, {"state", view.state}};
    put(out, "not_after", view.not_after);
    put(out, "next_not_before", view.next_not_before);
    put(out, "next_not_after", view.next_not_after);
    put(out, "failure", view.failure);
    return out;
}

json to_json(const TokenView& view) {
    json out{{"name", view.name}, {"state", view.state}, {"busy", view.busy}, {"logged_in", view.logged_in}};
    put(out, "pin", view.pin);
    put(out, "failure", view.failure);
    return out;
}

json to_json(const Health& health) {
    json out{{"at", to_iso8601(health.at)}, {"version", health.version}, {"configuration", health.configuration}};
    put(out, "notice", health.notice);
    put(out, "clock", health.clock);
    out["authorities"] = json::array();
    for (const AuthorityView& view : health.authorities) {
        out["authorities"].push_back(to_json(view));
    }
    out["tokens"] = json::array();
    for (const TokenView& view : health.tokens) {
        out["tokens"].push_back(to_json(view));
    }
    return out;
}

json to_json(const IdentityEvent& event) {
    json out{{"identity", event.identity},
             {"at", to_iso8601(event.at)},
             {"state", event.word},
             {"text", event.text},
             {"settled", event.settled}};
    if (event.error) {
        out["error"] = error_info(*event.error).name;
    }
    return out;
}

json to_json(const Acceptance& acceptance) {
    json out{{"changed", acceptance.changed}, {"text", acceptance.text}};
    put(out, "certificate", acceptance.certificate);
    return out;
}

json to_json(const ResumptionView& resumption) {
    return {{"token", resumption.token},
            {"hold_released", resumption.hold_released},
            {"pin_released", resumption.pin_released},
            {"pin_file_must_change", resumption.pin_file_must_change},
            {"delivery_retried", resumption.delivery_retried}};
}

json to_json(const HistoryEvent& event) {
    return {{"kind", event.kind}, {"name", event.name}, {"at", to_iso8601(event.at)}, {"text", event.text}};
}

json to_json(const observe::MetricFamily& family) {
    json samples = json::array();
    for (const observe::MetricSample& sample : family.samples) {
        samples.push_back({{"labels", json(sample.labels)}, {"value", sample.value}});
    }
    return {{"name", family.name}, {"kind", family.kind}, {"help", family.help}, {"samples", std::move(samples)}};
}

Result<IdentityView> identity_view_of(const json& value) {
    IdentityView view;
    Reader reader(value);
    reader.read("name", view.name);
    reader.read("enabled", view.enabled);
    reader.read_optional("ca", view.ca);
    reader.read_optional("token", view.token);
    reader.read_optional("subject", view.subject);
    reader.read("state", view.word);
    reader.read("next", view.next);
    reader.read("waiting_for", view.waiting_for);
    reader.read_optional("notice", view.notice);
    reader.read("settled", view.settled);
    reader.read("at", view.at);
    reader.read("next_at", view.next_at);
    reader.read("renew_at", view.renew_at);
    reader.read("shadow_not_before", view.shadow_not_before);
    reader.read("generation", view.generation);
    reader.read_optional("published", view.published);
    reader.read_optional("key_id", view.key_id);
    if (const json* part = reader.find("certificate", false); part != nullptr) {
        auto certificate = certificate_view_of(*part);
        reader.adopt("certificate", certificate.has_value());
        view.certificate = certificate ? std::optional(*std::move(certificate)) : std::nullopt;
    }
    if (const json* part = reader.find("last_error", false); part != nullptr) {
        auto failure = failure_view_of(*part);
        reader.adopt("last_error", failure.has_value());
        view.failure = failure ? std::optional(*std::move(failure)) : std::nullopt;
    }
    if (const json* part = reader.find("crl", false); part != nullptr) {
        auto crl = crl_view_of(*part);
        reader.adopt("crl", crl.has_value());
        view.crl = crl ? std::optional(*std::move(crl)) : std::nullopt;
    }
    if (const json* part = reader.find("delivery", false); part != nullptr) {
        auto delivery = delivery_view_of(*part);
        reader.adopt("delivery", delivery.has_value());
        view.delivery = delivery ? std::optional(*std::move(delivery)) : std::nullopt;
    }
    return reader.finish(std::move(view));
}

Result<Overview> overview_of(const json& value) {
    Overview overview;
    Reader reader(value);
    reader.read("at", overview.at);
    reader.read_list("rows", [&](const json& entry) {
        auto row = overview_row_of(entry);
        if (!row) {
            return false;
        }
        overview.rows.push_back(*std::move(row));
        return true;
    });
    reader.read_list("notices", [&](const json& entry) {
        if (entry.is_string()) {
            overview.notices.push_back(entry.get<std::string>());
        }
        return entry.is_string();
    });
    return reader.finish(std::move(overview));
}

Result<AuthorityView> authority_view_of(const json& value) {
    AuthorityView view;
    Reader reader(value);
    reader.read("name", view.name);
    reader.read("state", view.state);
    reader.read("not_after", view.not_after);
    reader.read("next_not_before", view.next_not_before);
    reader.read("next_not_after", view.next_not_after);
    reader.read_optional("failure", view.failure);
    return reader.finish(std::move(view));
}

Result<TokenView> token_view_of(const json& value) {
    TokenView view;
    Reader reader(value);
    reader.read("name", view.name);
    reader.read("state", view.state);
    reader.read_optional("pin", view.pin);
    reader.read("busy", view.busy);
    reader.read_optional("failure", view.failure);
    reader.read("logged_in", view.logged_in);
    return reader.finish(std::move(view));
}

Result<Health> health_of(const json& value) {
    Health health;
    Reader reader(value);
    reader.read("at", health.at);
    reader.read("version", health.version);
    reader.read("configuration", health.configuration);
    reader.read_optional("notice", health.notice);
    reader.read_optional("clock", health.clock);
    reader.read_list("authorities", [&](const json& entry) {
        auto view = authority_view_of(entry);
        if (!view) {
            return false;
        }
        health.authorities.push_back(*std::move(view));
        return true;
    });
    reader.read_list("tokens", [&](const json& entry) {
        auto view = token_view_of(entry);
        if (!view) {
            return false;
        }
        health.tokens.push_back(*std::move(view));
        return true;
    });
    return reader.finish(std::move(health));
}

Result<IdentityEvent> identity_event_of(const json& value) {
    IdentityEvent event;
    Reader reader(value);
    reader.read("identity", event.identity);
    reader.read("at", event.at);
    reader.read("state", event.word);
    reader.read("text", event.text);
    reader.read("settled", event.settled);
    reader.read("error", event.error);
    return reader.finish(std::move(event));
}

Result<Acceptance> acceptance_of(const json& value) {
    Acceptance acceptance;
    Reader reader(value);
    reader.read("changed", acceptance.changed);
    reader.read("text", acceptance.text);
    reader.read_optional("certificate", acceptance.certificate);
    return reader.finish(std::move(acceptance));
}

Result<ResumptionView> resumption_of(const json& value) {
    ResumptionView resumption;
    Reader reader(value);
    reader.read("token", resumption.token);
    reader.read("hold_released", resumption.hold_released);
    reader.read("pin_released", resumption.pin_released);
    reader.read("pin_file_must_change", resumption.pin_file_must_change);
    reader.read_optional("delivery_retried", resumption.delivery_retried);
    return reader.finish(std::move(resumption));
}

Result<HistoryEvent> history_event_of(const json& value) {
    HistoryEvent event;
    Reader reader(value);
    reader.read("kind", event.kind);
    reader.read("name", event.name);
    reader.read("at", event.at);
    reader.read("text", event.text);
    return reader.finish(std::move(event));
}

Result<observe::MetricFamily> metric_family_of(const json& value) {
    observe::MetricFamily family;
    Reader reader(value);
    reader.read("name", family.name);
    reader.read("kind", family.kind);
    reader.read("help", family.help);
    reader.read_list("samples", [&](const json& entry) {
        auto sample = metric_sample_of(entry);
        if (!sample) {
            return false;
        }
        family.samples.push_back(*std::move(sample));
        return true;
    });
    return reader.finish(std::move(family));
}

}  // namespace hwenroll::control
