// The table of hostile replies: what comes, and how the agent ends it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/e2e/hostile/hostile_world.h"

namespace hwenroll::test {

/// How a case ends (the classes of the catalogue). The design knows no end for good: what lasts is tried again in
/// hours, or held with a try a day, and its error says what has to change.
enum class End {
    works,    ///< what is wrong does no harm
    nothing,  ///< it is as if there were no answer yet, which is no failure
    retried,  ///< T: the same step again, later
    lasting,  ///< P: nothing helps but a change, which the error names
    pending,  ///< K: the transaction goes on being polled
};

/// One case. Its faults are applied until they are taken away; then the same agent gets its certificate.
struct HostileRow {
    std::string id;  ///< of a mutator, or of the catalogue
    Stage stage = Stage::keyed;
    End end = End::retried;
    ErrorCode code = ErrorCode::internal;
    HostileSettings settings = {};
    std::string text = "";  ///< in the error's line, or in the warning of what works
    Seconds wait{0};        ///< before the run that is judged
    int runs_before = 0;    ///< runs under the same settings, each after `first_wait`
    Seconds first_wait{0};
    bool held = false;  ///< End::lasting by a hold

    /// Another id than the mutator's.
    HostileRow named(std::string name) const;
    HostileRow saying(std::string what) const;
    HostileRow from(Stage earlier) const;
    HostileRow with_agent(std::string lines) const;
    HostileRow with_ca(std::string lines) const;
    HostileRow with_identity(std::string lines) const;
    HostileRow pinning(std::string common_name) const;
    HostileRow announcing(std::string capabilities) const;
    HostileRow under(std::vector<std::string> faults) const;
    HostileRow after_runs(int runs, Seconds first, Seconds between) const;
    HostileRow after(Seconds time) const;
};

/// For GoogleTest.
void PrintTo(const HostileRow& row, std::ostream* out);

/// Rows whose mutator, by the row's id, spoils GetCACaps and GetCACert of an agent that knows nothing yet.
HostileRow capabilities(const std::string& id, End end, ErrorCode code = ErrorCode::internal);
HostileRow ca_set(const std::string& id, End end, ErrorCode code = ErrorCode::internal);

/// The answer to a first request.
HostileRow reply(const std::string& id, End end, ErrorCode code = ErrorCode::internal);

/// A FAILURE that the agent believes, and that holds it.
HostileRow refusal(const std::string& id);

/// The answer to a poll, to a renewal, to GetNextCACert, and to the request for a certificate of the successor.
HostileRow poll_reply(const std::string& id, End end, ErrorCode code = ErrorCode::internal);
HostileRow renewal_reply(const std::string& id, End end, ErrorCode code = ErrorCode::internal);
HostileRow next_ca(const std::string& id, End end, ErrorCode code = ErrorCode::internal);
HostileRow shadow_reply(const std::string& id, End end, ErrorCode code = ErrorCode::internal);

// The parts of the table, each of which is an instance of the suite.
std::vector<HostileRow> http_rows();
std::vector<HostileRow> capability_rows();
std::vector<HostileRow> ca_set_rows();
std::vector<HostileRow> signed_data_rows();
std::vector<HostileRow> attribute_rows();
std::vector<HostileRow> envelope_rows();
std::vector<HostileRow> certificate_rows();
std::vector<HostileRow> rollover_rows();

}  // namespace hwenroll::test
