// Values that must not outlive their use: PINs, challenge passwords, content keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace hwenroll {

/// An octet string that is wiped when it ends. It has no formatter, no comparison and no implicit copy, so that it does
/// not reach a log, a message or a std::string by accident. Its memory is not locked: the token worker locks its pages
/// where RLIMIT_MEMLOCK is unlimited or it has CAP_IPC_LOCK, else swap may see it. Not thread-safe.
class Secret {
 public:
    Secret() = default;

    /// Copies `octets`; wiping the original is the caller's affair.
    explicit Secret(ByteView octets);

    /// Takes over `octets` and leaves it empty. A vector that grew has left copies behind: reserve first.
    explicit Secret(Bytes&& octets);

    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    /// A second, separately wiped copy.
    [[nodiscard]] Secret copy() const;

    /// The octets, borrowed until the Secret changes or ends.
    [[nodiscard]] ByteView reveal() const { return octets_; }

    [[nodiscard]] bool empty() const { return octets_.empty(); }
    [[nodiscard]] std::size_t size() const { return octets_.size(); }

    /// Overwrites and empties.
    void wipe() noexcept;

 private:
    Bytes octets_;
};

/// Overwrites `octets` in a way that the compiler does not remove.
void wipe(std::span<std::uint8_t> octets) noexcept;

}  // namespace hwenroll
