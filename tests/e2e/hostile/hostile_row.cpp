#include "tests/e2e/hostile/hostile_row.h"

#include <ostream>
#include <utility>

namespace hwenroll::test {
namespace {

using std::chrono::days;
using std::chrono::hours;

HostileRow spoiling(const char* operation, Stage stage, const std::string& id, End end, ErrorCode code) {
    HostileRow row;
    row.id = id;
    row.stage = stage;
    row.end = end;
    row.code = code;
    row.settings.faults = {std::string(operation) + ":*:mutate-" + id};
    return row;
}

/// `row` after `change`.
template <class Change>
HostileRow changed(HostileRow row, Change change) {
    change(row);
    return row;
}

}  // namespace

HostileRow HostileRow::named(std::string name) const {
    return changed(*this, [&](HostileRow& row) { row.id = std::move(name); });
}

HostileRow HostileRow::saying(std::string what) const {
    return changed(*this, [&](HostileRow& row) { row.text = std::move(what); });
}

HostileRow HostileRow::from(Stage earlier) const {
    return changed(*this, [&](HostileRow& row) { row.stage = earlier; });
}

HostileRow HostileRow::with_agent(std::string lines) const {
    return changed(*this, [&](HostileRow& row) { row.settings.agent_lines = std::move(lines); });
}

HostileRow HostileRow::with_ca(std::string lines) const {
    return changed(*this, [&](HostileRow& row) { row.settings.ca_lines = std::move(lines); });
}

HostileRow HostileRow::with_identity(std::string lines) const {
    return changed(*this, [&](HostileRow& row) { row.settings.identity_lines = std::move(lines); });
}

HostileRow HostileRow::pinning(std::string common_name) const {
    return changed(*this, [&](HostileRow& row) { row.settings.pinned = std::move(common_name); });
}

HostileRow HostileRow::announcing(std::string capabilities) const {
    return changed(*this, [&](HostileRow& row) { row.settings.capabilities = std::move(capabilities); });
}

HostileRow HostileRow::under(std::vector<std::string> faults) const {
    return changed(*this, [&](HostileRow& row) { row.settings.faults = std::move(faults); });
}

HostileRow HostileRow::after_runs(int runs, Seconds first, Seconds between) const {
    return changed(*this, [&](HostileRow& row) {
        row.runs_before = runs;
        row.first_wait = first;
        row.wait = between;
    });
}

HostileRow HostileRow::after(Seconds time) const {
    return changed(*this, [&](HostileRow& row) { row.wait = time; });
}

void PrintTo(const HostileRow& row, std::ostream* out) {
    *out << row.id;
}

HostileRow capabilities(const std::string& id, End end, ErrorCode code) {
    return spoiling("GetCACaps", Stage::beginning, id, end, code);
}

HostileRow ca_set(const std::string& id, End end, ErrorCode code) {
    return spoiling("GetCACert", Stage::beginning, id, end, code);
}

HostileRow reply(const std::string& id, End end, ErrorCode code) {
    return spoiling("PKCSReq", Stage::keyed, id, end, code);
}

HostileRow refusal(const std::string& id) {
    return changed(reply(id, End::lasting, ErrorCode::ca_rejected), [](HostileRow& row) { row.held = true; });
}

HostileRow poll_reply(const std::string& id, End end, ErrorCode code) {
    return spoiling("CertPoll", Stage::pending, id, end, code).after(hours(2));
}

HostileRow renewal_reply(const std::string& id, End end, ErrorCode code) {
    return spoiling("RenewalReq", Stage::enrolled, id, end, code).after(days(91));
}

HostileRow next_ca(const std::string& id, End end, ErrorCode code) {
    return spoiling("GetNextCACert", Stage::capped, id, end, code).after(days(50));
}

HostileRow shadow_reply(const std::string& id, End end, ErrorCode code) {
    return spoiling("RenewalReq", Stage::capped, id, end, code).after(days(50));
}

}  // namespace hwenroll::test
