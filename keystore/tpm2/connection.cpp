#include "keystore/tpm2/connection.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <system_error>
#include <thread>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::keystore::tpm2 {

namespace {

using std::chrono::milliseconds;

// P7.
constexpr milliseconds first_pause{10};
constexpr milliseconds longest_pause{500};

/// What opening the device of a TCTI says, where it does not work: tpm2-tss answers "IO failure" to all of it.
void explain(CallFailure& failure, const std::string& tcti) {
    constexpr std::string_view kind = "device";
    if (!tcti.starts_with(kind) || (tcti.size() > kind.size() && tcti[kind.size()] != ':')) {
        return;
    }
    const std::string named = tcti.size() > kind.size() + 1 ? tcti.substr(kind.size() + 1) : std::string();
    const std::string device = named.empty() ? "/dev/tpmrm0" : named;
    const int file = ::open(device.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file >= 0) {
        ::close(file);
        return;
    }
    const int number = errno;
    failure.cause = device + " cannot be opened: " + std::generic_category().message(number);
    switch (number) {
        case EACCES:
            failure.next =
                "add the user that runs this to the device's group: usermod -a -G tss USER, or in a unit "
                "SupplementaryGroups=tss";
            break;
        case EPERM:
            failure.next = "the unit's devices are closed: add DeviceAllow=" + device + " rw in a drop-in";
            break;
        case ENOENT:
            failure.next =
                "see that the TPM is switched on and its driver loaded; in a unit with PrivateDevices= add "
                "BindPaths=" +
                device + " and DeviceAllow=" + device + " rw";
            break;
        default:
            break;
    }
}

/// More persistent objects than any TPM has room for.
constexpr std::size_t most_handles = 1024;

}  // namespace

std::string what_helps(std::string_view tcti) {
    const std::string_view kind = tcti.substr(0, tcti.find(':'));
    const std::string_view place = kind.size() < tcti.size() ? tcti.substr(kind.size() + 1) : std::string_view();
    if (kind == "tabrmd") {
        return "see that tpm2-abrmd runs (systemctl status tpm2-abrmd) and that D-Bus lets this user ask it (group "
               "tss)";
    }
    if (kind == "device") {
        const std::string device(place.empty() ? "/dev/tpmrm0" : place);
        return "see that the TPM's device is there and that the agent's user is in its group, tss: ls -l " + device;
    }
    return fmt::format(
        "see that the TPM behind tcti '{}' answers; this machine's own is device:/dev/tpmrm0 (group tss)", tcti);
}

bool has_resource_manager(const std::string& tcti) {
    const std::string_view text(tcti);
    const std::string_view name = text.substr(0, text.find(':'));
    const std::string_view configuration = name.size() < text.size() ? text.substr(name.size() + 1) : "";
    if (name == "tabrmd") {
        return true;
    }
    // Without a path libtss2-tcti-device tries /dev/tpmrm0 first.
    return name == "device" && (configuration.empty() || configuration.find("tpmrm") != std::string_view::npos);
}

Outcome<std::unique_ptr<Connection>> Connection::open(Port& port) {
    std::unique_ptr<Connection> connection(new Connection(port));
    connection->next_pause_ = first_pause;
    TSS2_RC rc = Tss2_TctiLdr_Initialize(port.tcti.c_str(), &connection->tcti_);
    if (rc != TSS2_RC_SUCCESS) {
        CallFailure failure{"Tss2_TctiLdr_Initialize", rc, {}, {}};
        explain(failure, port.tcti);
        return tl::unexpected(std::move(failure));
    }
    rc = Esys_Initialize(&connection->esys_, connection->tcti_, nullptr);
    if (rc != TSS2_RC_SUCCESS) {
        return call_failed("Esys_Initialize", rc);
    }
    if (port.leftovers && !has_resource_manager(port.tcti)) {
        if (const auto flushed = connection->flush_leftovers(); !flushed) {
            return tl::unexpected(flushed.error());
        }
    }
    port.leftovers = false;
    return connection;
}

Connection::~Connection() {
    Esys_Finalize(&esys_);
    Tss2_TctiLdr_Finalize(&tcti_);
}

bool Connection::pause() {
    if (waited_ + next_pause_ > port_.patience) {
        return false;
    }
    std::this_thread::sleep_for(next_pause_);
    waited_ += next_pause_;
    next_pause_ = std::min(2 * next_pause_, longest_pause);
    return true;
}

void Connection::flush(ESYS_TR handle) noexcept {
    if (Esys_FlushContext(esys_, handle) != TSS2_RC_SUCCESS) {
        port_.leftovers = true;
    }
}

void Connection::close(ESYS_TR handle) noexcept {
    Esys_TR_Close(esys_, &handle);
}

Outcome<void> Connection::flush_leftovers() {
    for (const TPM2_HANDLE first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST}) {
        if (auto flushed = flush_all(first); !flushed) {
            return flushed;
        }
    }
    return {};
}

Outcome<void> Connection::flush_all(TPM2_HANDLE first) {
    const auto found = handles_from(*this, first);
    if (!found) {
        return tl::unexpected(found.error());
    }
    for (const TPM2_HANDLE each : *found) {
        ESYS_TR handle = ESYS_TR_NONE;
        if (auto known = call("Esys_TR_FromTPMPublic", Esys_TR_FromTPMPublic, each, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, &handle);
            !known) {
            return known;
        }
        if (auto flushed = call("Esys_FlushContext", Esys_FlushContext, handle); !flushed) {
            return flushed;
        }
    }
    return {};
}

Loaded::~Loaded() {
    if (handle_ == ESYS_TR_NONE) {
        return;
    }
    if (kind_ == Kind::transient) {
        connection_->flush(handle_);
    } else {
        connection_->close(handle_);
    }
}

Outcome<std::vector<TPM2_HANDLE>> handles_from(Connection& connection, TPM2_HANDLE first) {
    std::vector<TPM2_HANDLE> all;
    TPM2_HANDLE next = first;
    for (;;) {
        TPMI_YES_NO more = TPM2_NO;
        EsysPtr<TPMS_CAPABILITY_DATA> data;
        if (const auto read =
                connection.call("Esys_GetCapability", Esys_GetCapability, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                TPM2_CAP{TPM2_CAP_HANDLES}, next, UINT32{TPM2_MAX_CAP_HANDLES}, &more, Out(data));
            !read) {
            return tl::unexpected(read.error());
        }
        const TPML_HANDLE& handles = data->data.handles;
        all.insert(all.end(), handles.handle, handles.handle + handles.count);
        if (more == TPM2_NO || handles.count == 0 || all.size() >= most_handles) {
            return all;
        }
        next = all.back() + 1;
    }
}

}  // namespace hwenroll::keystore::tpm2
