#include "keystore/tpm2/visit.h"

#include "keystore/tpm2/public_area.h"

namespace hwenroll::keystore::tpm2 {

namespace {

Bytes octets_of(const TPM2B_NAME& name) {
    return {name.name, name.name + name.size};
}

}  // namespace

Outcome<std::optional<PersistentObject>> open_persistent(Connection& connection, TPM2_HANDLE handle) {
    // Asked first: ESYS logs a failed Esys_TR_FromTPMPublic as an error.
    EsysPtr<TPMS_CAPABILITY_DATA> data;
    TPMI_YES_NO more = TPM2_NO;
    if (const auto found =
            connection.call("Esys_GetCapability", Esys_GetCapability, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                            TPM2_CAP{TPM2_CAP_HANDLES}, handle, UINT32{1}, &more, Out(data));
        !found) {
        return tl::unexpected(found.error());
    }
    if (data->data.handles.count == 0 || data->data.handles.handle[0] != handle) {
        return std::nullopt;
    }
    ESYS_TR object = ESYS_TR_NONE;
    if (const auto known = connection.call("Esys_TR_FromTPMPublic", Esys_TR_FromTPMPublic, handle, ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, &object);
        !known) {
        return tl::unexpected(known.error());
    }
    Loaded loaded(connection, object, Loaded::Kind::persistent);
    EsysPtr<TPM2B_PUBLIC> area;
    EsysPtr<TPM2B_NAME> name;
    if (const auto read = connection.call("Esys_ReadPublic", Esys_ReadPublic, object, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, Out(area), Out(name), nullptr);
        !read) {
        return tl::unexpected(read.error());
    }
    return PersistentObject{handle, std::move(loaded), *area, octets_of(*name)};
}

Outcome<Visit> Visit::begin(Port& port) {
    auto connection = Connection::open(port);
    if (!connection) {
        return tl::unexpected(connection.error());
    }
    return Visit(*std::move(connection));
}

Outcome<void> Visit::open_root(std::optional<TPM2_HANDLE> recorded) {
    if (recorded == TPM2_RH_OWNER) {
        return make_primary_root();
    }
    const TPM2_HANDLE handle = recorded.value_or(usual_storage_root);
    const auto opened = open_persistent_root(handle, recorded.has_value());
    if (!opened) {
        return tl::unexpected(opened.error());
    }
    if (*opened) {
        return {};
    }
    if (handle != usual_storage_root) {
        return call_failed("the key's parent", TPM2_RC_HANDLE);
    }
    return make_primary_root();
}

/// False if nothing fitting is there.
Outcome<bool> Visit::open_persistent_root(TPM2_HANDLE handle, bool any_kind) {
    auto found = open_persistent(*connection_, handle);
    if (!found) {
        return tl::unexpected(found.error());
    }
    if (!*found || (!any_kind && !is_storage_root((*found)->public_area))) {
        return false;
    }
    root_.emplace(StorageRoot{std::move((*found)->object), handle, std::move((*found)->name)});
    return true;
}

Outcome<void> Visit::make_primary_root() {
    const TPM2B_PUBLIC area = storage_root_template();
    const TPM2B_SENSITIVE_CREATE no_auth{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcr{};
    ESYS_TR object = ESYS_TR_NONE;
    if (auto made = connection_->call("Esys_CreatePrimary", Esys_CreatePrimary, ESYS_TR{ESYS_TR_RH_OWNER},
                                      ESYS_TR{ESYS_TR_PASSWORD}, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, &area, &no_data,
                                      &no_pcr, &object, nullptr, nullptr, nullptr, nullptr);
        !made) {
        return made;
    }
    Loaded loaded(*connection_, object, Loaded::Kind::transient);
    EsysPtr<TPM2B_NAME> name;
    if (auto read = connection_->call("Esys_TR_GetName", Esys_TR_GetName, object, Out(name)); !read) {
        return read;
    }
    root_.emplace(StorageRoot{std::move(loaded), TPM2_RH_OWNER, octets_of(*name)});
    return {};
}

Outcome<ESYS_TR> Visit::session(TPMA_SESSION attributes) {
    if (!session_) {
        TPMT_SYM_DEF symmetric{};
        symmetric.algorithm = TPM2_ALG_AES;
        symmetric.keyBits.aes = 128;
        symmetric.mode.aes = TPM2_ALG_CFB;
        ESYS_TR handle = ESYS_TR_NONE;
        if (const auto started =
                connection_->call("Esys_StartAuthSession", Esys_StartAuthSession, root_->object.handle(), ESYS_TR_NONE,
                                  ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr, TPM2_SE{TPM2_SE_HMAC}, &symmetric,
                                  TPMI_ALG_HASH{TPM2_ALG_SHA256}, &handle);
            !started) {
            return tl::unexpected(started.error());
        }
        session_.emplace(*connection_, handle, Loaded::Kind::transient);
    }
    if (const auto set =
            connection_->call("Esys_TRSess_SetAttributes", Esys_TRSess_SetAttributes, session_->handle(),
                              static_cast<TPMA_SESSION>(attributes | TPMA_SESSION_CONTINUESESSION), TPMA_SESSION{0xFF});
        !set) {
        return tl::unexpected(set.error());
    }
    return session_->handle();
}

}  // namespace hwenroll::keystore::tpm2
