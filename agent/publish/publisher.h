// Puts generations where consumers read them: complete directories and one link that is switched by one rename.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "agent/publish/generation.h"
#include "base/result.h"

namespace hwenroll::publish {

/// Writes `<publish_dir>/<identity>/gen-NNN/` and the link `current` beside it. A reader that opens the directory
/// behind `current` once and reads from there sees one generation (invariant 2). One writer at a time for an identity:
/// the agent's lock sees to that. Blocks on the file system. Every error has code publish_write and leaves what was
/// published before as it is.
class Publisher {
 public:
    explicit Publisher(std::filesystem::path publish_dir) : publish_dir_(std::move(publish_dir)) {}

    /// Publishes and switches. The same generation again is a success and completes what a crash may have left undone;
    /// another one under the same number, or a lower number than the current one's, is refused. Afterwards the last
    /// three generations stay; what cannot be removed now is left for the next time.
    [[nodiscard]] Status publish(const Generation& generation, const FilePolicy& policy = {}) const;

    /// Tries all that publish() needs short of publishing: the directories, the group, 64 KiB of space. To be called
    /// before a CA is asked for a certificate that could not be kept (S1).
    [[nodiscard]] Status rehearse(std::string_view identity, const FilePolicy& policy = {}) const;

    /// What is published of `identity`; nothing if there is nothing. A fault of the current generation is in
    /// PublishedState::defect; errors are only for what cannot be looked at, such as ErrorCode::publish_unseen.
    [[nodiscard]] Result<std::optional<PublishedState>> inspect(std::string_view identity) const;

    /// How what consumers see differs from `generation`, which was published: gone, elsewhere, or with a file that
    /// somebody else has changed; empty: not at all (F6). Modes and owners are not looked at.
    [[nodiscard]] Result<std::string> difference(const Generation& generation) const;

    /// Where consumers look: `<publish_dir>/<identity>/current`.
    [[nodiscard]] std::filesystem::path current(std::string_view identity) const;

    /// Removes every key.pem that holds a wrapped key (TSS2 PRIVATE KEY) from the generations but the current one whose
    /// certificate has the public key `spki`, or cannot be read any more. True when there was one.
    [[nodiscard]] Result<bool> remove_wrapped_key(std::string_view identity, const Bytes& spki) const;

    /// Removes what a crash left unfinished, for all identities (S6). Call at start.
    [[nodiscard]] Status sweep() const;

 private:
    std::filesystem::path publish_dir_;
};

}  // namespace hwenroll::publish
