// Writes one generation below an identity's directory. Internal to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/publish/directory.h"
#include "agent/publish/generation.h"

namespace hwenroll::publish {

/// One file of a generation.
struct RenderedFile {
    std::string_view name;
    std::string content;
    FileOwnership ownership;
    ByteView crl = {};  ///< borrowed: its PEM takes the place of `content`

    /// What is in the file; borrows from this.
    [[nodiscard]] Pieces pieces() const;
};

/// Owner and mode of key.pem and key.uri. Error code: publish_write, when the group is not the service's.
Result<FileOwnership> key_ownership(const FilePolicy& policy);

/// The files of a generation, from nothing but the arguments; borrows the CRL. Error code: publish_write.
Result<std::vector<RenderedFile>> render(const Generation& generation, const FilePolicy& policy);

/// Makes the directory of one generation. Borrows what it is made from.
class GenerationWriter {
 public:
    /// `current`: the generation that consumers are led to, which is never touched.
    GenerationWriter(const Directory& identity, std::uint64_t number, const std::vector<RenderedFile>& files,
                     std::optional<std::uint64_t> current);

    /// The directory is there with these contents afterwards, whether it was before or not; one with other contents is
    /// replaced unless it is the current one. On failure nothing of that name has been added. Error code:
    /// publish_write.
    [[nodiscard]] Status ensure() const;

 private:
    [[nodiscard]] Status confirm() const;
    [[nodiscard]] Status create() const;
    [[nodiscard]] Status write_files(const std::string& temporary) const;
    void discard() const;
    [[nodiscard]] Status differs(const Directory& directory, std::string why) const;

    const Directory* identity_;
    std::uint64_t number_;
    std::string name_;
    const std::vector<RenderedFile>* files_;
    bool is_current_;
};

}  // namespace hwenroll::publish
