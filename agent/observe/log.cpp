#include "agent/observe/log.h"

#include <cstdio>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "agent/observe/journal.h"
#include "agent/observe/log_ids.h"

namespace hwenroll::observe {
LogRecord record_about_authority(const std::string& authority, Level level, std::string_view text,
                                 std::string_view message_id) {
    LogRecord record{level, fmt::format("ca {}: {}", authority, text)};
    record.message_id = message_id;
    record.authority = authority;
    return record;
}

LogRecord authority_alert(const std::string& authority, std::string_view text) {
    LogRecord record = record_about_authority(authority, Level::error, text, alert_message_id);
    record.alert = true;
    return record;
}

std::vector<std::string> journal_fields(const LogRecord& record) {
    std::vector<std::string> fields{"MESSAGE=" + printable(record.text, 2048),
                                    fmt::format("PRIORITY={}", static_cast<int>(record.level))};
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            fields.push_back(fmt::format("{}={}", name, printable(value)));
        }
    };
    add("HWENROLL_IDENTITY", record.identity);
    add("HWENROLL_STATE", record.state);
    add("HWENROLL_ERROR", record.error);
    add("HWENROLL_TXN", record.transaction);
    add("HWENROLL_CA", record.authority);
    add("HWENROLL_SERIAL", record.serial);
    add("HWENROLL_NOT_AFTER", record.not_after);
    add("HWENROLL_NEXT", record.next);
    add("HWENROLL_ALERT", record.alert ? "1" : "");
    for (const auto& [name, value] : record.details) {
        add(fmt::format("HWENROLL_{}", name), value);
    }
    if (!record.message_id.empty()) {
        fields.push_back(fmt::format("MESSAGE_ID={}", record.message_id));
    }
    return fields;
}

Log Log::for_stderr() {
    if (stderr_is_journal()) {
        return Log(Target::journal);
    }
    return Log(::isatty(STDERR_FILENO) == 1 ? Target::terminal : Target::quiet);
}

void Log::write(const LogRecord& record) {
    if (target_ == Target::journal) {
        return send_to_journal(journal_fields(record));
    }
    if (record.level == Level::debug || (record.level == Level::info && target_ == Target::quiet)) {
        return;
    }
    const std::string line = printable(record.text, 2048) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void Log::write(const Error& error, const std::string& identity) {
    write({Level::error, Error(error).about(identity).line(), identity, {}, std::string(error.info().name)});
}

}  // namespace hwenroll::observe
