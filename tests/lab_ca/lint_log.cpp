#include "tests/lab_ca/lint_log.h"

#include <nlohmann/json.hpp>

#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_text = 256;

Json text_or_null(const std::optional<std::string_view>& text) {
    return text ? Json(printable(*text, max_text)) : Json();
}

Json http_facts(const HttpRequest& request) {
    return {{"path", printable(request.path, max_text)},
            {"version", request.minor_version == 0 ? "1.0" : "1.1"},
            {"urlLength", request.path.size() + request.query.size() + (request.query.empty() ? 0 : 1)},
            {"bodyLength", request.body.size()},
            {"contentType", text_or_null(request.header("Content-Type"))},
            {"userAgent", text_or_null(request.header("User-Agent"))}};
}

}  // namespace

std::string to_json_line(const LintRecord& record) {
    Json findings = Json::array();
    for (const Finding& finding : record.findings) {
        findings.push_back({{"id", finding.id}, {"ok", false}, {"text", printable(finding.text, max_text)}});
    }
    Json answer{{"http", record.http_status},
                {"pkiStatus", record.pki_status ? Json(*record.pki_status) : Json()},
                {"failInfo", record.rejection ? Json(static_cast<int>(record.rejection->fail_info)) : Json()},
                {"failInfoText", record.rejection ? Json(record.rejection->text) : Json()},
                {"serial", text_or_null(record.serial)}};
    const auto operation = record.request->parameter("operation");
    const Json line{{"time", to_iso8601(record.time)},
                    {"operation", operation ? Json(printable(percent_decoded(*operation), max_text)) : Json()},
                    {"method", printable(record.request->method, max_text)},
                    {"messageType", text_or_null(record.message_type)},
                    {"transactionID", text_or_null(record.transaction_id)},
                    {"http", http_facts(*record.request)},
                    {"answer", std::move(answer)},
                    {"fault", text_or_null(record.fault)},
                    {"findings", std::move(findings)}};
    return line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Status LintLog::append(const LintRecord& record) const {
    return append_line(path_, to_json_line(record));
}

}  // namespace hwenroll::lab_ca
