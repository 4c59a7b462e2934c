// A journal that keeps what it is sent for the test.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"

namespace hwenroll::test {

/// The fields of one record by their names.
using JournalRecord = std::map<std::string, std::string>;

/// Stands where journald's socket is, in a mount namespace of the calling thread and of the processes that it starts
/// from then on. They write to it if `to_journal()` starts them. Any thread may ask.
class JournalSink {
 public:
    JournalSink();
    JournalSink(const JournalSink&) = delete;
    JournalSink& operator=(const JournalSink&) = delete;
    ~JournalSink();

    /// False where the kernel allows no mount namespace.
    [[nodiscard]] bool valid() const { return socket_.valid(); }

    /// A command that becomes the one behind it, whose stderr is then the journal's as systemd.exec(5) has it.
    [[nodiscard]] static std::vector<std::string> to_journal();

    /// All that have come so far, in their order.
    [[nodiscard]] std::vector<JournalRecord> records() const;

    /// The same as they came, whatever their fields are called.
    [[nodiscard]] std::string datagrams() const;

    /// Those among them with this value of this field.
    [[nodiscard]] std::vector<JournalRecord> records(const std::string& field, const std::string& value) const;

 private:
    void listen(const std::stop_token& stopping);

    FileDescriptor socket_;
    mutable std::mutex mutex_;
    std::vector<JournalRecord> records_;
    std::string datagrams_;
    std::jthread listener_;
};

}  // namespace hwenroll::test
