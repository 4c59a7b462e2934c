#include "agent/control/overview_text.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "agent/control/message.h"
#include "agent/control/view_codec.h"

namespace hwenroll::control {
namespace {

using nlohmann::json;

void add_quoted(std::string& out, const std::string& text) {
    const auto needs_escape = [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\'; };
    if (std::ranges::any_of(text, needs_escape)) {
        out += text_of(json(text));
    } else {
        ((out += '"') += text) += '"';
    }
}

void add_time(std::string& out, const char* member, const std::optional<TimePoint>& time) {
    if (time) {
        ((out += member) += to_iso8601(*time)) += '"';
    }
}

void add_row(std::string& out, const OverviewRow& row) {
    out += row.enabled ? R"({"enabled":true,)" : R"({"enabled":false,)";
    if (!row.failure.empty()) {
        out += R"("failure":)";
        add_quoted(out, row.failure);
        out += ',';
    }
    out += R"("name":)";
    add_quoted(out, row.name);
    out += R"(,"next":)";
    add_quoted(out, row.next);
    add_time(out, R"(,"not_after":")", row.not_after);
    add_time(out, R"(,"not_before":")", row.not_before);
    add_time(out, R"(,"renew_at":")", row.renew_at);
    out += row.settled ? R"(,"settled":true,"state":)" : R"(,"settled":false,"state":)";
    add_quoted(out, row.word);
    out += '}';
}

/// Called by the JSON parser for each part of the text. False ends it: the text is not what is expected here.
class OverviewHandler {
 public:
    bool null() { return false; }
    bool number_integer(json::number_integer_t) { return false; }
    bool number_unsigned(json::number_unsigned_t) { return false; }
    bool number_float(json::number_float_t, const std::string&) { return false; }
    bool binary(json::binary_t&) { return false; }
    bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }

    bool boolean(bool value) {
        if (place_ == Place::reply && key_ == "continues") {
            reply_.continues = value;
            return true;
        }
        return place_ == Place::row &&
               ((key_ == "enabled" && take(row_.enabled, value)) || (key_ == "settled" && take(row_.settled, value)));
    }

    bool string(std::string& text) {
        if (place_ == Place::row) {
            return row_text(text);
        }
        if (place_ == Place::notices) {
            reply_.overview.notices.push_back(std::move(text));
            return true;
        }
        const auto at = place_ == Place::parameters && key_ == "at" ? time_of(text) : std::nullopt;
        return at && take(reply_.overview.at, *at);
    }

    bool key(std::string& name) {
        key_.swap(name);
        return true;
    }

    bool start_object(std::size_t) {
        if (place_ == Place::before) {
            return enter(Place::reply);
        }
        if (place_ == Place::reply && key_ == "parameters") {
            return enter(Place::parameters);
        }
        row_ = {};
        taken_in_row_ = 0;
        return place_ == Place::rows && enter(Place::row);
    }

    bool end_object() {
        if (place_ == Place::row) {
            constexpr int required = 5;
            reply_.overview.rows.push_back(std::move(row_));
            return taken_in_row_ == required && enter(Place::rows);
        }
        return enter(place_ == Place::parameters ? Place::reply : Place::after);
    }

    bool start_array(std::size_t) {
        if (place_ != Place::parameters || (key_ != "rows" && key_ != "notices")) {
            return false;
        }
        ++taken_;
        return enter(key_ == "rows" ? Place::rows : Place::notices);
    }

    bool end_array() { return enter(Place::parameters); }

    /// Nothing when members are missing.
    std::optional<OverviewReply> take_reply() {
        constexpr int required = 3;
        return taken_ == required ? std::optional(std::move(reply_)) : std::nullopt;
    }

 private:
    enum class Place : std::uint8_t { before, reply, parameters, notices, rows, row, after };

    bool enter(Place place) {
        place_ = place;
        return true;
    }

    /// A member that has to be there.
    template <class Value>
    bool take(Value& into, Value value) {
        into = std::move(value);
        ++(place_ == Place::row ? taken_in_row_ : taken_);
        return true;
    }

    bool row_text(std::string& text) {
        for (const auto& [name, time] :
             {std::pair("not_after", &row_.not_after), std::pair("not_before", &row_.not_before),
              std::pair("renew_at", &row_.renew_at)}) {
            if (key_ == name) {
                *time = time_of(text);
                return time->has_value();
            }
        }
        if (key_ == "failure") {
            row_.failure = std::move(text);
            return true;
        }
        if (key_ == "name") {
            return take(row_.name, std::move(text));
        }
        if (key_ == "next") {
            return take(row_.next, std::move(text));
        }
        return key_ == "state" && take(row_.word, std::move(text));
    }

    OverviewReply reply_;
    OverviewRow row_;
    std::string key_;
    Place place_ = Place::before;
    int taken_ = 0;  ///< members of the parameters
    int taken_in_row_ = 0;
};

}  // namespace

std::string text_of(const Overview& overview) {
    constexpr std::size_t usual_row = 256;
    std::string out;
    out.reserve((overview.rows.size() + 1) * usual_row);
    ((out += R"({"at":")") += to_iso8601(overview.at)) += R"(","notices":)";
    out += text_of(json(overview.notices));
    out += R"(,"rows":[)";
    for (const OverviewRow& row : overview.rows) {
        out += &row == &overview.rows.front() ? "" : ",";
        add_row(out, row);
    }
    out += "]}";
    return out;
}

std::optional<OverviewReply> read_overview_reply(std::string_view frame) {
    OverviewHandler handler;
    return json::sax_parse(frame, &handler) ? handler.take_reply() : std::nullopt;
}

}  // namespace hwenroll::control
