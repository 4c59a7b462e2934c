// A worker that misbehaves as HWENROLL_TEST_ODD says, for what hwenroll-token never does by itself.
//   exit      ends at once
//   garbage   answers with octets that are no message
//   sequence  answers another request
//   kind      answers Done to everything
//   silent    reads and never answers
//   chatty    answers in halves of a message, the second never
//   report    writes its open descriptors and its environment to the file HWENROLL_TEST_REPORT, then exits
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "keystore/worker/token_channel.h"
#include "keystore/worker/token_protocol.h"

using namespace hwenroll;            // NOLINT(google-build-using-namespace)
using namespace hwenroll::keystore;  // NOLINT(google-build-using-namespace)

namespace {

constexpr int connection = 3;

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

void report() {
    std::string text = "descriptors:";
    DIR* directory = opendir("/proc/self/fd");
    const std::string own = std::to_string(dirfd(directory));
    while (const dirent* entry = readdir(directory)) {
        const std::string name(static_cast<const char*>(entry->d_name));
        if (name != own && name[0] != '.') {
            text += ' ' + name;
        }
    }
    closedir(directory);
    text += '\n';
    for (char** entry = environ; *entry != nullptr; ++entry) {
        text += std::string(*entry) + '\n';
    }
    std::ofstream(setting("HWENROLL_TEST_REPORT")) << text;
}

void answer(const Response& response) {
    send_message(connection, encode(response).reveal(), Deadline::max());
}

}  // namespace

int main() {
    const std::string how = setting("HWENROLL_TEST_ODD");
    if (how == "report") {
        report();
        return 0;
    }
    for (;;) {
        const Received received = receive_message(connection, Deadline::max());
        if (received.transfer != Transfer::done || how == "exit") {
            return 5;
        }
        const auto request = decode_request(received.message.reveal());
        if (how == "garbage") {
            send_message(connection, as_bytes("nonsense"), Deadline::max());
        } else if (how == "sequence") {
            answer({request->sequence + 1, Done{}});
        } else if (how == "kind") {
            answer({request->sequence, Done{}});
        } else if (how == "chatty") {
            send(connection, "\0\0\0\x02\0\0\0\0x", 9, 0);
        }
    }
}
