// Who is at the other end of a connection, in the kernel's words.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/result.h"

namespace hwenroll::control {

/// The process that connected, as it was at that moment (unix(7), SO_PEERCRED).
struct Peer {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
};

/// Where the server learns who its clients are.
class PeerSource {
 public:
    PeerSource() = default;
    PeerSource(const PeerSource&) = delete;
    PeerSource& operator=(const PeerSource&) = delete;
    virtual ~PeerSource() = default;

    /// Of a connected socket. Error code: internal.
    virtual Result<Peer> peer(int fd) = 0;

    /// Whether the peer's user is in `group` according to the user database: getgrouplist(3). May be slow where that
    /// is a network service, so it is asked once for each client, and only when it wants to change something.
    virtual bool is_member(const Peer& peer, gid_t group) = 0;

    /// The program that the peer runs now, for the audit: a path, or nothing where /proc does not show it. The kernel
    /// shows it to root and to the peer's own user; a sandbox with ProtectProc=invisible to the latter only. The
    /// process may have become another program since it connected, or have ended, so nothing is decided by this.
    virtual std::string program(const Peer& peer) = 0;
};

/// The kernel and the user database.
class KernelPeers final : public PeerSource {
 public:
    Result<Peer> peer(int fd) override;
    bool is_member(const Peer& peer, gid_t group) override;
    std::string program(const Peer& peer) override;
};

}  // namespace hwenroll::control
