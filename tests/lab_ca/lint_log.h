// The record of what clients sent and what they were answered: JSON lines, one object a message.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "tests/lab_ca/lint.h"
#include "tests/lab_ca/outcome.h"

namespace hwenroll::lab_ca {

/// One client message. Absent values are written as null.
struct LintRecord {
    TimePoint time;
    const HttpRequest* request = nullptr;  ///< borrowed while the record is written
    int http_status = 0;                   ///< of the answer; 0 when none is sent
    std::optional<std::string> message_type;
    std::optional<std::string> transaction_id;
    std::optional<int> pki_status;
    std::optional<Rejection> rejection;
    std::optional<std::string> serial;  ///< of the certificate in the answer, hexadecimal
    std::optional<std::string> fault;   ///< the rule by which the answer was spoilt (SRV-13)
    Findings findings;
};

/// `record` as one line of JSON. Text from the client is made printable; bodies and challenges are never part of it.
std::string to_json_line(const LintRecord& record);

/// Appends to a file, one write() a line, so that readers never see half a line of a finished one.
class LintLog {
 public:
    explicit LintLog(std::filesystem::path path) : path_(std::move(path)) {}

    /// Error code: input_file.
    Status append(const LintRecord& record) const;

 private:
    std::filesystem::path path_;
};

}  // namespace hwenroll::lab_ca
