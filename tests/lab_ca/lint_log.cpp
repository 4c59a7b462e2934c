#include "tests/lab_ca/lint_log.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file_descriptor.h"

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
                    {"findings", std::move(findings)}};
    return line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Status LintLog::append(const LintRecord& record) const {
    const std::string line = to_json_line(record);
    const FileDescriptor file(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file.valid() || write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        return fail(ErrorCode::input_file, fmt::format("cannot write '{}'", path_.string()), std::strerror(errno));
    }
    return {};
}

}  // namespace hwenroll::lab_ca
