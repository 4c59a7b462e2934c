#include "agent/store/authority_rows.h"

#include "agent/store/row_values.h"

namespace hwenroll::store {
namespace {

using lifecycle::AuthorityPhase;
using lifecycle::AuthorityRecord;
using lifecycle::AuthorityState;

constexpr std::string_view current_role = "current";
constexpr std::string_view next_role = "next";
constexpr std::string_view candidate_role = "candidate";
constexpr std::size_t fingerprint_size = 32;

Result<std::vector<Bytes>> read_certificates(Database& database, const std::string& name, std::string_view role) {
    Statement row(database, "SELECT der FROM authority_certificates WHERE authority=? AND role=? ORDER BY position");
    row.bind(std::string_view(name)).bind(role);
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

Result<std::optional<AuthorityRecord>> read_record(Database& database, const std::string& name, std::string_view role) {
    Statement row(database,
                  "SELECT generation, capabilities, anchor_fingerprint, fetched_at, anchor, not_before, not_after FROM "
                  "authority_records WHERE authority=? AND role=?");
    const auto found = row.bind(std::string_view(name)).bind(role).step();
    auto certificates = read_certificates(database, name, role);
    if (!found || !certificates) {
        return fail(!found ? found.error() : certificates.error());
    }
    if (!*found) {
        return std::optional<AuthorityRecord>();
    }
    return std::optional(AuthorityRecord{static_cast<std::uint64_t>(row.integer(0)), row.text(1),
                                         *std::move(certificates), row.blob(2), time_at(row, 3), row.blob(4),
                                         time_at(row, 5), time_at(row, 6)});
}

Status write_record(Database& database, const std::string& name, std::string_view role, const AuthorityRecord& record) {
    Statement row(database,
                  "INSERT INTO authority_records (authority, role, generation, capabilities, anchor_fingerprint, "
                  "fetched_at, anchor, not_before, not_after) VALUES (?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(role).bind(static_cast<std::int64_t>(record.generation));
    row.bind(std::string_view(record.capabilities)).bind(ByteView(record.anchor_fingerprint));
    row.bind(seconds(record.fetched_at)).bind(ByteView(record.anchor));
    Status written = row.bind(seconds(record.not_before)).bind(seconds(record.not_after)).run();
    for (std::size_t i = 0; written && i < record.certificates.size(); ++i) {
        Statement certificate(database,
                              "INSERT INTO authority_certificates (authority, role, position, der) VALUES (?,?,?,?)");
        certificate.bind(std::string_view(name)).bind(role).bind(static_cast<std::int64_t>(i));
        written = certificate.bind(ByteView(record.certificates[i])).run();
    }
    return written;
}

/// Fingerprints stand one after the other.
Result<std::vector<Bytes>> split_pins(const std::string& name, const Bytes& joined) {
    if (joined.size() % fingerprint_size != 0) {
        return fail(contradiction(name, "its CA's pins have the wrong length"));
    }
    std::vector<Bytes> pins;
    for (auto begin = joined.begin(); begin != joined.end(); begin += fingerprint_size) {
        pins.emplace_back(begin, begin + fingerprint_size);
    }
    return pins;
}

Bytes join_pins(const std::vector<Bytes>& pins) {
    Bytes joined;
    for (const Bytes& pin : pins) {
        joined.insert(joined.end(), pin.begin(), pin.end());
    }
    return joined;
}

Status read_left(Database& database, const std::string& name, AuthorityState& state) {
    Statement row(database,
                  "SELECT anchor, fingerprint, not_after FROM left_anchors WHERE authority=? ORDER BY position");
    row.bind(std::string_view(name));
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return {};
        }
        state.left.push_back({row.blob(0), row.blob(1), time_at(row, 2)});
    }
}

Status write_left(Database& database, const std::string& name, const AuthorityState& state) {
    std::int64_t position = 0;
    for (const lifecycle::LeftAnchor& left : state.left) {
        Statement row(database,
                      "INSERT INTO left_anchors (authority, position, anchor, fingerprint, not_after) VALUES "
                      "(?,?,?,?,?)");
        row.bind(std::string_view(name)).bind(position++).bind(ByteView(left.anchor)).bind(ByteView(left.fingerprint));
        if (const Status written = row.bind(seconds(left.not_after)).run(); !written) {
            return written;
        }
    }
    return {};
}

Status check(const std::string& name, const AuthorityState& state) {
    const bool trusted = state.phase != AuthorityPhase::untrusted;
    const auto broken = [&](const char* what) {
        return fail(Error(ErrorCode::state_database, "the stored state of CA '" + name + "' contradicts itself", what,
                          "move state.db away to start anew, and report this"));
    };
    if (state.phase < AuthorityPhase::untrusted || state.phase > AuthorityPhase::switched) {
        return broken("its phase is unknown");
    }
    if (trusted && (!state.current || state.current->certificates.empty())) {
        return broken("it is trusted without certificates");
    }
    if ((state.phase == AuthorityPhase::next_known) != state.next.has_value() && trusted) {
        return broken("its phase does not follow from its successor");
    }
    return {};
}

Status read_main_row(const Statement& row, const std::string& name, AuthorityState& state) {
    auto pins = split_pins(name, row.blob(2));
    if (!pins) {
        return fail(pins.error());
    }
    state.phase = static_cast<AuthorityPhase>(row.integer(0));
    state.last_generation = static_cast<std::uint64_t>(row.integer(1));
    state.pins_at_switch = *std::move(pins);
    state.sought_at = time_at(row, 3);
    if (!row.is_null(4)) {
        state.failure = lifecycle::FailureRecord{error_code_of(row.text(4)).value_or(ErrorCode::internal), row.text(5),
                                                 time_at(row, 6)};
    }
    if (!row.is_null(7)) {
        state.candidate_told_at = time_at(row, 7);
    }
    return {};
}

}  // namespace

Result<AuthorityState> read_authority(Database& database, const std::string& name) {
    AuthorityState state;
    Statement row(database,
                  "SELECT phase, last_generation, pins_at_switch, sought_at, error_name, error_line, error_at, "
                  "candidate_told_at FROM authorities WHERE name=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return state;
    }
    Status read = read_main_row(row, name, state);
    auto current = read_record(database, name, current_role);
    auto next = read_record(database, name, next_role);
    auto candidate = read_record(database, name, candidate_role);
    if (!read || !current || !next || !candidate) {
        return fail(!read ? read.error() : !current ? current.error() : !next ? next.error() : candidate.error());
    }
    state.current = *std::move(current);
    state.next = *std::move(next);
    state.candidate = *std::move(candidate);
    read = read_left(database, name, state);
    if (read) {
        read = check(name, state);
    }
    if (!read) {
        return fail(read.error());
    }
    return state;
}

Status write_authority(Database& database, const std::string& name, const AuthorityState& state) {
    Statement old(database, "DELETE FROM authorities WHERE name=?");
    if (const Status removed = old.bind(std::string_view(name)).run(); !removed) {
        return removed;
    }
    Statement row(database,
                  "INSERT INTO authorities (name, phase, last_generation, pins_at_switch, sought_at, error_name, "
                  "error_line, error_at, candidate_told_at) VALUES (?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(state.phase));
    row.bind(static_cast<std::int64_t>(state.last_generation)).bind(ByteView(join_pins(state.pins_at_switch)));
    row.bind(seconds(state.sought_at));
    if (state.failure) {
        row.bind(error_info(state.failure->code).name).bind(std::string_view(state.failure->line));
        row.bind(seconds(state.failure->at));
    } else {
        row.bind_null().bind_null().bind_null();
    }
    Status written = bind(row, state.candidate_told_at).run();
    if (written && state.current) {
        written = write_record(database, name, current_role, *state.current);
    }
    if (written && state.next) {
        written = write_record(database, name, next_role, *state.next);
    }
    if (written && state.candidate) {
        written = write_record(database, name, candidate_role, *state.candidate);
    }
    return written ? write_left(database, name, state) : written;
}

}  // namespace hwenroll::store
