#include "agent/store/credential_rows.h"

#include <array>
#include <utility>

#include "agent/store/row_values.h"

namespace hwenroll::store {
namespace {

using lifecycle::Credential;
using lifecycle::IdentityState;
using lifecycle::IssuedRecord;
using lifecycle::KeyRecord;
using lifecycle::RetiredKey;

constexpr std::string_view next_slot = "next";
constexpr std::string_view current_slot = "current";
constexpr std::string_view shadow_slot = "shadow";

Status take_certificate(const std::string& name, const Statement& row, std::optional<IssuedRecord>& issued) {
    const std::string role = row.text(3);
    if ((role == "leaf") == issued.has_value()) {
        return fail(contradiction(name, "its certificates do not begin with one leaf"));
    }
    if (!issued) {
        issued = IssuedRecord{row.blob(2), {}, {}, time_at(row, 0), time_at(row, 1)};
    } else {
        (role == "chain" ? issued->chain : issued->anchors).push_back(row.blob(2));
    }
    return {};
}

Result<std::optional<IssuedRecord>> read_issued(Database& database, const std::string& name, std::string_view slot) {
    Statement row(
        database,
        "SELECT not_before, not_after, der, role FROM certificates WHERE identity=? AND slot=? ORDER BY position");
    row.bind(std::string_view(name)).bind(slot);
    std::optional<IssuedRecord> issued;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return issued;
        }
        if (const Status taken = take_certificate(name, row, issued); !taken) {
            return fail(taken.error());
        }
    }
}

/// What a slot holds; `authority` of a shadow only.
struct Slot {
    Credential credential;
    Bytes authority;
};

Result<std::optional<Slot>> read_slot(Database& database, const std::string& name, std::string_view slot) {
    auto key = read_key(database, name, slot);
    auto issued = read_issued(database, name, slot);
    Statement row(database,
                  "SELECT generation, published_at, jitter, name_mark, content_mark, authority, crl FROM credentials "
                  "WHERE identity=? AND slot=?");
    const auto found = row.bind(std::string_view(name)).bind(slot).step();
    if (!key || !issued || !found) {
        return fail(!key ? key.error() : !issued ? issued.error() : found.error());
    }
    if (key->has_value() != issued->has_value() || key->has_value() != *found) {
        return fail(contradiction(
            name, "the key, certificate and generation of its " + std::string(slot) + " slot do not belong together"));
    }
    if (!*found) {
        return std::optional<Slot>();
    }
    return std::optional(
        Slot{{**std::move(key), **std::move(issued), static_cast<std::uint64_t>(row.integer(0)), time_at(row, 1),
              static_cast<std::uint32_t>(row.integer(2)), row.blob(3), row.blob(4), row.blob(6)},
             row.blob(5)});
}

Status write_issued(Database& database, const std::string& name, std::string_view slot, const IssuedRecord& issued) {
    std::vector<std::pair<std::string_view, const Bytes*>> certificates{{"leaf", &issued.leaf}};
    for (const Bytes& der : issued.chain) {
        certificates.emplace_back("chain", &der);
    }
    for (const Bytes& der : issued.anchors) {
        certificates.emplace_back("anchor", &der);
    }
    std::int64_t position = 0;
    for (const auto& [role, der] : certificates) {
        Statement row(database,
                      "INSERT INTO certificates (identity, slot, position, role, not_before, not_after, der) "
                      "VALUES (?,?,?,?,?,?,?)");
        row.bind(std::string_view(name)).bind(slot).bind(position++).bind(role);
        const Status written =
            row.bind(seconds(issued.not_before)).bind(seconds(issued.not_after)).bind(ByteView(*der)).run();
        if (!written) {
            return written;
        }
    }
    return {};
}

Status write_slot(Database& database, const std::string& name, std::string_view slot, const Credential& credential,
                  const Bytes& authority = {}) {
    Status written = write_key(database, name, slot, credential.key);
    if (written) {
        written = write_issued(database, name, slot, credential.issued);
    }
    if (written) {
        Statement row(database,
                      "INSERT INTO credentials (identity, slot, generation, published_at, jitter, name_mark, "
                      "content_mark, authority, crl) VALUES (?,?,?,?,?,?,?,?,?)");
        row.bind(std::string_view(name)).bind(slot).bind(static_cast<std::int64_t>(credential.generation));
        row.bind(seconds(credential.published_at)).bind(std::int64_t{credential.jitter});
        row.bind(ByteView(credential.name_mark)).bind(ByteView(credential.content_mark));
        written = row.bind(ByteView(authority)).bind(ByteView(credential.crl)).run();
    }
    return written;
}

Status read_retired(Database& database, const std::string& name, IdentityState& state) {
    Statement row(
        database,
        "SELECT key_id, spki, destroy_at, failures, token FROM retired_keys WHERE identity=? ORDER BY position");
    row.bind(std::string_view(name));
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return {};
        }
        RetiredKey retired{
            {row.blob(0), row.blob(1), false, {}, row.text(4)}, {}, static_cast<std::uint32_t>(row.integer(3))};
        if (!row.is_null(2)) {
            retired.destroy_at = time_at(row, 2);
        }
        state.retired.push_back(std::move(retired));
    }
}

Status write_retired(Database& database, const std::string& name, const IdentityState& state) {
    std::int64_t position = 0;
    for (const RetiredKey& retired : state.retired) {
        Statement row(database,
                      "INSERT INTO retired_keys (identity, position, key_id, spki, destroy_at, failures, token) VALUES "
                      "(?,?,?,?,?,?,?)");
        row.bind(std::string_view(name)).bind(position++).bind(ByteView(retired.key.id));
        bind(row.bind(ByteView(retired.key.spki)), retired.destroy_at);
        row.bind(std::int64_t{retired.failures});
        if (const Status written = row.bind(std::string_view(retired.key.token)).run(); !written) {
            return written;
        }
    }
    return {};
}

}  // namespace

Result<std::optional<KeyRecord>> read_key(Database& database, const std::string& name, std::string_view slot) {
    Statement row(database, "SELECT key_id, spki, adopted, pem, token, uri FROM keys WHERE identity=? AND slot=?");
    const auto found = row.bind(std::string_view(name)).bind(slot).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return std::optional<KeyRecord>();
    }
    return std::optional(
        KeyRecord{row.blob(0), row.blob(1), row.integer(2) != 0, row.text(3), row.text(4), row.text(5)});
}

Status write_key(Database& database, const std::string& name, std::string_view slot, const KeyRecord& key) {
    Statement row(database,
                  "INSERT INTO keys (identity, slot, key_id, spki, adopted, pem, token, uri) VALUES (?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(slot).bind(ByteView(key.id)).bind(ByteView(key.spki));
    row.bind(std::int64_t{key.adopted ? 1 : 0});
    return row.bind(std::string_view(key.pem)).bind(std::string_view(key.token)).bind(std::string_view(key.uri)).run();
}

Status read_credentials(Database& database, const std::string& name, IdentityState& state) {
    const auto next = read_slot(database, name, next_slot);
    const auto current = read_slot(database, name, current_slot);
    const auto shadow = read_slot(database, name, shadow_slot);
    if (!next || !current || !shadow) {
        return fail(!next ? next.error() : !current ? current.error() : shadow.error());
    }
    if (*next) {
        state.next = (*next)->credential;
    }
    if (*current) {
        state.current = (*current)->credential;
    }
    if (*shadow) {
        state.shadow = lifecycle::Shadow{(*shadow)->credential, (*shadow)->authority};
    }
    return read_retired(database, name, state);
}

Status write_credentials(Database& database, const std::string& name, const IdentityState& state) {
    Status written;
    if (state.next) {
        written = write_slot(database, name, next_slot, *state.next);
    }
    if (written && state.current) {
        written = write_slot(database, name, current_slot, *state.current);
    }
    if (written && state.shadow) {
        written = write_slot(database, name, shadow_slot, state.shadow->credential, state.shadow->authority);
    }
    return written ? write_retired(database, name, state) : written;
}

}  // namespace hwenroll::store
