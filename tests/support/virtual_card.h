// A smart card reader of a test's own: a private pcscd with vsmartcard's virtual reader.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"
#include "tests/support/child_process.h"
#include "tests/support/piv_card.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// An empty reader. Sets PCSCLITE_CSOCK_NAME and OPENSC_CONF in this process's environment, which the PC/SC library and
/// OpenSC read and children inherit, and removes them at the end. The machine's own pcscd and readers are not touched:
/// the daemon has a /run of its own, in a mount namespace, and looks for no USB readers. One at a time. Create it
/// before any token that uses it and destroy it after.
class CardReader {
 public:
    /// What this machine lacks to run one, for a skip; nothing when all is there.
    static std::optional<std::string> missing();

    /// OpenSC's PKCS#11 module.
    static std::string module();

    /// Throws std::runtime_error when pcscd does not start.
    CardReader();
    CardReader(const CardReader&) = delete;
    CardReader& operator=(const CardReader&) = delete;
    ~CardReader();

    /// Puts `card`, which outlives its stay, into the reader, and returns when it has been powered up.
    void insert(PivCard& card);

    /// Pulls the card out, if there is one.
    void remove();

    /// The card is in the reader: it may have left by itself (PivCard::leave_at_next_use).
    [[nodiscard]] bool occupied() const;

 private:
    void start_daemon();
    void connect(PivCard& card);
    void serve(PivCard& card, int socket);
    bool answer_one(PivCard& card, int socket);
    void note(bool occupied, bool powered);

    TemporaryDirectory directory_;
    std::uint16_t port_ = 0;
    std::unique_ptr<ChildProcess> daemon_;
    FileDescriptor line_;  ///< to the virtual reader
    std::thread card_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool occupied_ = false;
    bool powered_ = false;
};

}  // namespace hwenroll::test
