// Whole messages over a SOCK_SEQPACKET socket, within a deadline.
#pragma once

#include "base/secret.h"
#include "keystore/worker/child.h"

namespace hwenroll::keystore {

/// How a transfer ended.
enum class Transfer : std::uint8_t {
    done,
    timed_out,  ///< the deadline passed first
    closed,     ///< the peer is gone
    malformed,  ///< the packets make no message
};

/// A received message; empty unless `transfer` is done. Wiped when it goes: it may hold a secret.
struct Received {
    Transfer transfer = Transfer::closed;
    Secret message;
};

/// Sends `message` (at most max_message_size octets) as packets of at most 32 KiB, each headed by the message's size
/// and its own offset, both 32 bits, since a packet must fit in the socket's buffer whole.
Transfer send_message(int socket, ByteView message, Deadline deadline);

/// Waits for one message. Passed descriptors are refused.
Received receive_message(int socket, Deadline deadline);

}  // namespace hwenroll::keystore
