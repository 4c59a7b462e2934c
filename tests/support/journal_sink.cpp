#include "tests/support/journal_sink.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <poll.h>
#include <sched.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace hwenroll::test {
namespace {

FileDescriptor journal_socket() {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") != 0) {
        return {};
    }
    std::filesystem::create_directories("/run/systemd/journal");
    FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address{AF_UNIX, "/run/systemd/journal/socket"};
    return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? std::move(socket)
                                                                                                  : FileDescriptor();
}

/// The native protocol as far as printable values need it: a line for each field.
JournalRecord record_of(const std::string& datagram) {
    JournalRecord record;
    std::istringstream lines(datagram);
    for (std::string line; std::getline(lines, line);) {
        if (const std::size_t at = line.find('='); at != std::string::npos) {
            record[line.substr(0, at)] = line.substr(at + 1);
        }
    }
    return record;
}

}  // namespace

JournalSink::JournalSink() : socket_(journal_socket()) {
    if (valid()) {
        listener_ = std::jthread([this](const std::stop_token& stopping) { listen(stopping); });
    }
}

JournalSink::~JournalSink() {
    if (valid()) {
        listener_.request_stop();
        listener_.join();
        ::umount2("/run", MNT_DETACH);
    }
}

std::vector<std::string> JournalSink::to_journal() {
    return {"sh", "-c", R"(export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); exec "$0" "$@")"};
}

std::vector<JournalRecord> JournalSink::records() const {
    const std::lock_guard lock(mutex_);
    return records_;
}

std::string JournalSink::datagrams() const {
    const std::lock_guard lock(mutex_);
    return datagrams_;
}

std::vector<JournalRecord> JournalSink::records(const std::string& field, const std::string& value) const {
    const std::lock_guard lock(mutex_);
    std::vector<JournalRecord> fitting;
    std::ranges::copy_if(records_, std::back_inserter(fitting), [&](const JournalRecord& record) {
        const auto found = record.find(field);
        return found != record.end() && found->second == value;
    });
    return fitting;
}

/// Whoever writes to a datagram socket waits while its queue is full: it is emptied all the time.
void JournalSink::listen(const std::stop_token& stopping) {
    std::string text(65'536, '\0');
    while (!stopping.stop_requested()) {
        pollfd readable{socket_.get(), POLLIN, 0};
        if (::poll(&readable, 1, 50) != 1) {
            continue;
        }
        const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
        if (size > 0) {
            const std::lock_guard lock(mutex_);
            const std::string datagram = text.substr(0, static_cast<std::size_t>(size));
            records_.push_back(record_of(datagram));
            datagrams_ += datagram + '\n';
        }
    }
}

}  // namespace hwenroll::test
