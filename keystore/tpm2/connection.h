// A connection to a TPM for one operation, and what it holds there. Internal to keystore/tpm2.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <tss2/tss2_esys.h>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "keystore/tpm2/return_code.h"

namespace hwenroll::keystore::tpm2 {

struct EsysRelease {
    template <class T>
    void operator()(T* memory) const noexcept {
        // Plaintexts and shared secrets arrive in such memory.
        wipe({reinterpret_cast<std::uint8_t*>(memory), sizeof *memory});
        Esys_Free(memory);
    }
};

/// Owns a structure that ESYS allocated.
template <class T>
using EsysPtr = std::unique_ptr<T, EsysRelease>;

/// Fills an EsysPtr from an out-parameter: `connection.call(…, Out(owner))`. The pointer is taken over at the end of
/// the full expression.
template <class T>
class Out {
 public:
    explicit Out(EsysPtr<T>& owner) : owner_(owner) {}
    Out(const Out&) = delete;
    Out& operator=(const Out&) = delete;
    ~Out() { owner_.reset(raw_); }
    operator T**() { return &raw_; }  // NOLINT(google-explicit-constructor): stands where the C function wants a T**

 private:
    EsysPtr<T>& owner_;
    T* raw_ = nullptr;
};

/// The way to a TPM, as long as the token that uses it.
struct Port {
    std::string tcti;                    ///< `NAME` or `NAME:CONFIGURATION`, for Tss2_TctiLdr_Initialize
    std::chrono::milliseconds patience;  ///< longest waiting, in all, for a TPM that asks to be called again
    bool leftovers = true;  ///< something that nobody uses may be loaded: flushed by the next Connection (P4, P5)
};

/// What a person can look at where a TPM is not there, or what leads to it does not answer.
std::string what_helps(std::string_view tcti);

/// Whether what is reached by `tcti` keeps the clients of a TPM apart: the kernel's /dev/tpmrm0, tpm2-abrmd. Where one
/// is, what GetCapability shows may be another client's, and a dead client's is flushed without us.
bool has_resource_manager(const std::string& tcti);

/// An open TCTI with its ESYS context. Not thread-safe. swtpm and /dev/tpm0 serve one client at a time and let the
/// next one wait, so none is kept open between operations.
class Connection {
 public:
    /// Connects. Where no resource manager stands between and `port.leftovers` is set, flushes transient objects and
    /// loaded sessions: a client that was killed leaks them, and a bare TPM has room for three. `port` outlives it.
    static Outcome<std::unique_ptr<Connection>> open(Port& port);

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// Calls a function of ESYS with this context, again while the TPM asks for it, up to the port's patience (ESYS
    /// itself repeats five times without a pause).
    template <class Function, class... Arguments>
    Outcome<void> call(const char* name, Function function, Arguments&&... arguments) {
        for (;;) {
            const TSS2_RC rc = function(esys_, arguments...);
            if (rc == TSS2_RC_SUCCESS) {
                return {};
            }
            if (reaction_to(rc) != Reaction::call_again || !pause()) {
                return call_failed(name, rc);
            }
        }
    }

    /// Removes what `handle` stands for from the TPM.
    void flush(ESYS_TR handle) noexcept;

    /// Forgets a handle of something that stays in the TPM.
    void close(ESYS_TR handle) noexcept;

 private:
    explicit Connection(Port& port) : port_(port) {}
    bool pause();
    Outcome<void> flush_leftovers();
    Outcome<void> flush_all(TPM2_HANDLE first);

    Port& port_;
    TSS2_TCTI_CONTEXT* tcti_ = nullptr;
    ESYS_CONTEXT* esys_ = nullptr;
    std::chrono::milliseconds next_pause_;
    std::chrono::milliseconds waited_{0};
};

/// A handle in use: a transient object or session is flushed with it, a persistent object stays. Its Connection
/// outlives it.
class Loaded {
 public:
    enum class Kind : std::uint8_t { transient, persistent };

    Loaded(Connection& connection, ESYS_TR handle, Kind kind)
        : connection_(&connection), handle_(handle), kind_(kind) {}
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;
    Loaded(Loaded&& other) noexcept
        : connection_(other.connection_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)), kind_(other.kind_) {}
    Loaded& operator=(Loaded&& other) noexcept {
        std::swap(connection_, other.connection_);
        std::swap(handle_, other.handle_);
        std::swap(kind_, other.kind_);
        return *this;
    }
    ~Loaded();

    [[nodiscard]] ESYS_TR handle() const { return handle_; }

 private:
    Connection* connection_;
    ESYS_TR handle_;
    Kind kind_;
};

/// Every handle in use from `first` to the end of its range (TPM2_CAP_HANDLES), at most some hundred.
Outcome<std::vector<TPM2_HANDLE>> handles_from(Connection& connection, TPM2_HANDLE first);

}  // namespace hwenroll::keystore::tpm2
