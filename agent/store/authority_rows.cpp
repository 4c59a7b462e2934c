#include "agent/store/authority_rows.h"

#include "agent/store/identity_rows.h"

namespace hwenroll::store {
namespace {

using lifecycle::AuthorityPhase;
using lifecycle::AuthorityRecord;
using lifecycle::AuthorityState;

std::int64_t seconds(TimePoint time) {
    return time.time_since_epoch().count();
}

Result<std::vector<Bytes>> read_certificates(Database& database, const std::string& name, std::uint64_t generation) {
    Statement row(database,
                  "SELECT der FROM authority_certificates WHERE authority=? AND generation=? ORDER BY position");
    row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(generation));
    std::vector<Bytes> certificates;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return certificates;
        }
        certificates.push_back(row.blob(0));
    }
}

Status write_certificates(Database& database, const std::string& name, const AuthorityRecord& record) {
    for (std::size_t i = 0; i < record.certificates.size(); ++i) {
        Statement row(database,
                      "INSERT INTO authority_certificates (authority, generation, position, der) VALUES (?,?,?,?)");
        row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(record.generation));
        const Status written = row.bind(static_cast<std::int64_t>(i)).bind(ByteView(record.certificates[i])).run();
        if (!written) {
            return written;
        }
    }
    return {};
}

}  // namespace

Result<AuthorityState> read_authority(Database& database, const std::string& name) {
    AuthorityState state;
    Statement row(database,
                  "SELECT phase, generation, capabilities, anchor_fingerprint, fetched_at, error_name, error_line, "
                  "error_at FROM authorities WHERE name=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return state;
    }
    state.phase = row.integer(0) == static_cast<int>(AuthorityPhase::trusted) ? AuthorityPhase::trusted
                                                                              : AuthorityPhase::untrusted;
    if (!row.is_null(5)) {
        state.failure = lifecycle::FailureRecord{error_code_of(row.text(5)).value_or(ErrorCode::internal), row.text(6),
                                                 TimePoint(Seconds(row.integer(7)))};
    }
    const auto generation = static_cast<std::uint64_t>(row.integer(1));
    auto certificates = read_certificates(database, name, generation);
    if (!certificates) {
        return fail(certificates.error());
    }
    if (generation != 0) {
        state.current = AuthorityRecord{generation, row.text(2), *std::move(certificates), row.blob(3),
                                        TimePoint(Seconds(row.integer(4)))};
    }
    if (state.phase == AuthorityPhase::trusted && (!state.current || state.current->certificates.empty())) {
        return fail(Error(ErrorCode::state_database, "the stored state of CA '" + name + "' contradicts itself",
                          "it is trusted without certificates", "move state.db away to start anew, and report this"));
    }
    return state;
}

Status write_authority(Database& database, const std::string& name, const AuthorityState& state) {
    Statement old(database, "DELETE FROM authorities WHERE name=?");
    if (const Status removed = old.bind(std::string_view(name)).run(); !removed) {
        return removed;
    }
    const AuthorityRecord record = state.current.value_or(AuthorityRecord{});
    Statement row(database,
                  "INSERT INTO authorities (name, phase, generation, capabilities, anchor_fingerprint, fetched_at, "
                  "error_name, error_line, error_at) VALUES (?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(state.phase));
    row.bind(static_cast<std::int64_t>(record.generation)).bind(std::string_view(record.capabilities));
    row.bind(ByteView(record.anchor_fingerprint)).bind(seconds(record.fetched_at));
    if (state.failure) {
        row.bind(error_info(state.failure->code).name).bind(std::string_view(state.failure->line));
        row.bind(seconds(state.failure->at));
    } else {
        row.bind_null().bind_null().bind_null();
    }
    const Status written = row.run();
    return written ? write_certificates(database, name, record) : written;
}

}  // namespace hwenroll::store
