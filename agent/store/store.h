// Everything that must survive: one SQLite database in the state directory, one transaction per transition.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/lifecycle/authority_state.h"
#include "agent/lifecycle/crl_state.h"
#include "agent/lifecycle/identity_state.h"
#include "agent/store/database.h"

namespace hwenroll::store {

/// A line of the history.
struct HistoryEntry {
    std::string kind;  ///< "identity", "authority" or "token"
    std::string name;
    TimePoint at;
    std::string text;  ///< printable, no secret
};

/// How the last login to a token went; the record behind the PIN rules. The numbers are stored and never reused.
enum class LoginRecordOutcome : std::uint8_t { begun = 1, accepted = 2, refused = 3, not_tried = 4 };

/// Which file a refused PIN came from: the fields of fstat(2), nothing of its contents.
struct PinFile {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const PinFile&, const PinFile&) = default;
};

/// The last login that a [token.*] section made on a device with a PIN source. Sources have records of their own, so
/// that a refusal outlives a try of another one; the device is named, so that it holds under every section's name.
struct LoginRecord {
    LoginRecordOutcome outcome = LoginRecordOutcome::not_tried;
    TimePoint begun_at;
    std::uint32_t unknown = 0;    ///< logins in a row that were begun and have no known outcome
    std::optional<PinFile> file;  ///< where the PIN of that login came from, for file: sources
    std::string source;           ///< the configuration's `pin`, which is no secret: `exec:/usr/bin/pin`
    std::string token_uri;        ///< TokenDescription::uri of the device
    friend bool operator==(const LoginRecord&, const LoginRecord&) = default;
};

/// Whose a key is.
struct KeyOwner {
    Bytes id;  ///< CKA_ID
    std::string identity;
    std::string token;     ///< the configuration's name when the identity was last committed
    bool adopted = false;  ///< KeyRecord::adopted
    bool wrapped = false;  ///< the database has the key itself: KeyRecord::pem
    friend bool operator==(const KeyOwner&, const KeyOwner&) = default;
};

/// Bounds of the history per name (design: history_keep). Nothing is removed for its age while the clock is not
/// trusted.
struct HistoryLimits {
    Seconds keep{400L * 86400};
    std::int64_t rows = 10'000;
};

/// The state directory and its database. One thread: the loop's.
class Store {
 public:
    /// Makes `state_dir` (0711; state.db is 0600) if missing, takes its lock without waiting and opens state.db for
    /// writing. Errors: state_locked (another process has it), state_directory, state_database, state_version.
    static Result<Store> open(const std::filesystem::path& state_dir, HistoryLimits history);

    /// For commands beside a running agent: no lock, no writes. Errors: state_database when there is none,
    /// state_denied, state_damaged, state_version.
    static Result<Store> open_read_only(const std::filesystem::path& state_dir);

    /// Empties the database's log, so that nothing that was deleted is on the disk any more (secure_delete). Error
    /// code: state_database, also while a reader keeps the log.
    Status truncate_log();

    /// Whether the clock that commits are dated by is trusted from now on (K4). At first it is not.
    void trust_clock(bool trusted);

    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    /// The stored state of an identity; the initial one when there is none. Errors: state_database (unreadable or
    /// contradicting rows included: they are never guessed around).
    Result<lifecycle::IdentityState> identity(const std::string& name);

    /// Names of all stored identities.
    Result<std::vector<std::string>> identities();

    /// Replaces the state of an identity and appends `note` to its history unless it is empty, in one transaction that
    /// is durable on return. `token` is the configuration's name of the token that holds its keys.
    Status commit(const std::string& name, const std::string& token, const lifecycle::IdentityState& state,
                  const std::string& note, TimePoint now);

    Result<lifecycle::AuthorityState> authority(const std::string& name);
    Status commit(const std::string& name, const lifecycle::AuthorityState& state, const std::string& note,
                  TimePoint now);

    /// What is known of the CRLs of a CA's certificates.
    Result<std::vector<lifecycle::CrlState>> crls(const std::string& authority);

    /// Replaces what is known of them, keeps `document` (DER of a new list) unless it is empty, and drops the lists
    /// that nothing refers to any more. `note` goes to the CA's history unless it is empty.
    Status commit_crls(const std::string& authority, const std::vector<lifecycle::CrlState>& states, ByteView document,
                       const std::string& note, TimePoint now);

    /// Whether any identity's certificate is published, or to be, with the list of this SHA-256.
    Result<bool> publishes_crl(const Bytes& digest);

    /// The DER of a list by its SHA-256; empty when it is not there.
    Result<Bytes> crl_document(const Bytes& digest);

    /// The records of one section, oldest commit first.
    Result<std::vector<LoginRecord>> logins_of_section(const std::string& token);

    /// The records of all sections about the device with this URI, oldest commit first.
    Result<std::vector<LoginRecord>> logins_of_device(const std::string& token_uri);

    /// Removes the records of `token` and all others about the device it used last, so that their PINs may be tried
    /// again. A refused file stays: only its change ends that.
    Status forget_logins(const std::string& token, const std::string& note, TimePoint now);

    /// Replaces the record of the same section, device and source.
    Status commit(const std::string& token, const LoginRecord& record, const std::string& note, TimePoint now);

    /// Commits a login that the device has accepted just now. That reset its counter of wrong PINs: what is begun on
    /// that device, and every refusal of the same source, is removed under all sections' names.
    Status settle(const std::string& token, const LoginRecord& accepted, const std::string& note, TimePoint now);

    /// Appends to the history of a token what was done to it.
    Status note_of_token(const std::string& token, const std::string& note, TimePoint now);

    /// The newest `limit` entries of one name, newest first.
    Result<std::vector<HistoryEntry>> history(const std::string& kind, const std::string& name, std::int64_t limit);

    /// The same of everything.
    Result<std::vector<HistoryEntry>> history(std::int64_t limit);

    /// The floor below which the clock cannot be right (K1): the latest trusted time that was committed here.
    Result<std::optional<TimePoint>> clock_seen();
    Status commit_clock_seen(TimePoint seen);

    /// The mark of the machine that the state belongs to (S16); empty: none yet.
    Result<Bytes> machine();
    Status commit_machine(const Bytes& mark);

    /// How long the last generation of a key of this kind (`rsa:2048`) took on `token`; nothing: none has been noted.
    Result<std::optional<std::chrono::milliseconds>> generation_time(const std::string& token, std::string_view kind);
    Status commit_generation_time(const std::string& token, std::string_view kind, std::chrono::milliseconds took);

    /// All keys that the database knows, attempts and retired ones included: what else is on a token nothing needs.
    Result<std::vector<KeyOwner>> key_owners();

    /// Another identity than `identity` has the key with this id, its own or adopted: it is not `identity`'s to
    /// destroy.
    Result<bool> is_needed_by_another(const Bytes& key_id, const std::string& identity);

    /// Removes the whole state of an identity that is not configured any more and whose keys are gone. `note` goes to
    /// its history, which stays.
    Status forget(const std::string& name, const std::string& note, TimePoint now);

 private:
    class Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hwenroll::store
