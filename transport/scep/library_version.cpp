#include "transport/scep/library_version.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace hwenroll::scep {
namespace {

/// An advisory of openssl.org with the first good release of each series, ascending. A series in between without one
/// is as old as it looks.
struct Advisory {
    const char* name;
    const char* about;
    std::vector<LibraryVersion> mended;
};

const std::array<Advisory, 2>& advisories() {
    static const std::array<Advisory, 2> known{{
        {"CVE-2026-45447",
         "a signed message with an empty list of digests frees memory twice in the PKCS7 calls, which hwenroll does "
         "not "
         "use and others on this machine may",
         {{3, 0, 21}, {3, 4, 6}, {3, 5, 7}, {3, 6, 3}, {4, 0, 1}}},
        {"CVE-2025-15467",
         "an AuthEnvelopedData overruns the stack",
         {{3, 0, 19}, {3, 3, 6}, {3, 4, 4}, {3, 5, 5}, {3, 6, 1}}},
    }};
    return known;
}

const LibraryVersion* mended_in_series(const Advisory& advisory, const LibraryVersion& version) {
    const auto found = std::ranges::find_if(advisory.mended, [&](const LibraryVersion& good) {
        return good.major == version.major && good.minor >= version.minor;
    });
    return found == advisory.mended.end() ? nullptr : &*found;
}

}  // namespace

std::string LibraryVersion::text() const {
    return fmt::format("{}.{}.{}", major, minor, patch);
}

LibraryVersion running_library() {
    return {OPENSSL_version_major(), OPENSSL_version_minor(), OPENSSL_version_patch()};
}

std::vector<std::string> known_faults(const LibraryVersion& version) {
    std::vector<std::string> faults;
    for (const Advisory& advisory : advisories()) {
        const LibraryVersion* const good = mended_in_series(advisory, version);
        if (good != nullptr && version < *good) {
            faults.push_back(fmt::format("{}: {}; mended in {}", advisory.name, advisory.about, good->text()));
        }
    }
    return faults;
}

}  // namespace hwenroll::scep
