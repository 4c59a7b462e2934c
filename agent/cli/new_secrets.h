// Secrets that `hwenroll init` is told: where the configuration will read them, and who puts them there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/init_dialogue.h"
#include "agent/cli/output_file.h"
#include "base/result.h"
#include "base/secret.h"

namespace hwenroll::cli {

/// A file that is to be written with the configuration.
struct SecretFile {
    std::filesystem::path path;
    Secret content;
};

class NewSecrets {
 public:
    /// `dialogue` outlives it.
    explicit NewSecrets(const InitDialogue& dialogue) : dialogue_(dialogue) {}

    /// `file:…`, from `option`, from what `usual` holds, or from what a person types, which files() has then; empty
    /// where it is `optional` and there is none. `what` begins a sentence for people. Errors: usage, and those of the
    /// terminal.
    Result<std::string> source(const std::string& what, const std::optional<std::string>& option,
                               const std::filesystem::path& usual, bool optional);

    /// Whom the files are for: the packages' agent where the system's configuration is written. Nothing: elsewhere the
    /// one who runs the command runs the agent too.
    [[nodiscard]] std::optional<FileOwner> owner() const;

    [[nodiscard]] const std::vector<SecretFile>& files() const { return files_; }

    /// What a person has to make, and how.
    [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

 private:
    void note_missing(const std::filesystem::path& path);

    const InitDialogue& dialogue_;
    std::vector<SecretFile> files_;
    std::vector<std::string> missing_;
};

}  // namespace hwenroll::cli
