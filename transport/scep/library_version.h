// Whether the libcrypto that runs is known to have faults in what SCEP puts before it.
#pragma once

#include <string>
#include <vector>

namespace hwenroll::scep {

/// Releases of OpenSSL by number.
struct LibraryVersion {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;
    // clang-tidy 14 takes the 0 of a defaulted comparison for a null pointer.
    friend auto operator<=>(const LibraryVersion&, const LibraryVersion&) = default;  // NOLINT(modernize-use-nullptr)

    /// `3.0.19`.
    [[nodiscard]] std::string text() const;
};

/// Of the library that this process runs with.
LibraryVersion running_library();

/// What this release is known for: the advisory, what it is about, and from which release of its series on it is
/// mended. Distributions mend older releases without a new number, so each is a reason to look and no proof.
std::vector<std::string> known_faults(const LibraryVersion& version);

}  // namespace hwenroll::scep
