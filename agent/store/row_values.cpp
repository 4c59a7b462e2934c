#include "agent/store/row_values.h"

namespace hwenroll::store {

std::int64_t seconds(TimePoint time) {
    return time.time_since_epoch().count();
}

TimePoint time_at(const Statement& row, int column) {
    return TimePoint(Seconds(row.integer(column)));
}

Statement& bind(Statement& row, const std::optional<TimePoint>& time) {
    return time ? row.bind(seconds(*time)) : row.bind_null();
}

std::optional<ErrorCode> error_code_of(const std::string& name) {
    for (const ErrorInfo& info : error_table()) {
        if (info.name == name) {
            return info.code;
        }
    }
    return std::nullopt;
}

Error contradiction(const std::string& name, const std::string& what) {
    return Error(ErrorCode::state_database, "the stored state of identity '" + name + "' contradicts itself", what,
                 "move state.db away to start anew, and report this");
}

}  // namespace hwenroll::store
