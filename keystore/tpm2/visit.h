// One operation's stay at the TPM: a connection, the parent of our keys, a session. Internal to keystore/tpm2.
#pragma once

#include <memory>
#include <optional>

#include "keystore/tpm2/connection.h"

namespace hwenroll::keystore::tpm2 {

/// Where the storage root key stands if the platform was provisioned with one (TCG TPM v2.0 Provisioning Guidance
/// §7.5.1).
inline constexpr TPM2_HANDLE usual_storage_root = 0x81000001;

/// A parent of keys.
struct StorageRoot {
    Loaded object;
    TPM2_HANDLE handle;  ///< what a key's blob says of its parent: a persistent handle, or TPM2_RH_OWNER
    Bytes name;          ///< TPM 2.0 part 1 §16: tells this parent from every other one
};

/// A connection with at most a parent, a key and a session in the TPM. What it holds there is flushed when it ends,
/// whatever happened.
class Visit {
 public:
    /// Connects, no more.
    static Outcome<Visit> begin(Port& port);

    Connection& connection() { return *connection_; }

    /// Makes the parent ready: the persistent object or primary key that a blob names, or else the one for new keys (a
    /// P-256 storage root key at usual_storage_root, otherwise a primary key made anew from storage_root_template(),
    /// which is the same one each time). Where a blob's usual_storage_root is gone, the primary key is tried.
    Outcome<void> open_root(std::optional<TPM2_HANDLE> recorded = std::nullopt);

    /// Needs open_root(). An HMAC session salted to the parent, with AES-128-CFB: what passes between us and the TPM
    /// in `attributes`' direction cannot be read by who sits on the bus (TPM 2.0 part 1 §19, §21).
    Outcome<ESYS_TR> session(TPMA_SESSION attributes);

    [[nodiscard]] const StorageRoot& root() const { return *root_; }

 private:
    explicit Visit(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
    Outcome<bool> open_persistent_root(TPM2_HANDLE handle, bool any_kind);
    Outcome<void> make_primary_root();

    // In this order: what is held goes before the connection.
    std::unique_ptr<Connection> connection_;
    std::optional<StorageRoot> root_;
    std::optional<Loaded> session_;
};

/// A persistent object, as its TPM describes it now.
struct PersistentObject {
    TPM2_HANDLE at;
    Loaded object;
    TPM2B_PUBLIC public_area;
    Bytes name;
};

/// Nothing if `handle` is free.
Outcome<std::optional<PersistentObject>> open_persistent(Connection& connection, TPM2_HANDLE handle);

}  // namespace hwenroll::keystore::tpm2
