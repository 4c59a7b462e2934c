// The configuration that `hwenroll init` proposes, as commented TOML. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::cli {

/// What was found and chosen. Texts are written as TOML strings, whatever they hold.
struct ConfigurationDraft {
    bool has_agent = true;                 ///< with a section [agent]: the main file
    std::optional<std::string> state_dir;  ///< in place of the default; runtime_dir follows

    struct Token {
        std::string name;
        bool known = false;       ///< another file has the section: only its name is used
        std::string description;  ///< for a comment
        std::string module;       ///< pkcs11
        std::string uri;          ///< pkcs11
        std::string tcti;         ///< tpm2, if not empty
        bool needs_pin = true;    ///< pkcs11
        std::string pin;          ///< source of the PIN: `file:/etc/hwenroll/lab.pin`
    } token;

    struct Ca {
        std::string name;
        bool known = false;       ///< as Token::known
        std::string description;  ///< of the pinned certificate, for a comment
        std::string url;
        std::string preset;  ///< empty: none
        std::string fingerprint;
        std::optional<std::string> challenge;  ///< source
        std::string challenge_example;         ///< where there is none
        std::string envelope;                  ///< empty: by the key
        std::vector<std::string> weak;         ///< entries of `legacy` that the CA seems to need
        std::string weak_until;                ///< `2027-12-31`, for them
    } ca;

    std::string identity;
    std::string key;
    std::string subject;
    std::vector<std::string> alt_names;
};

/// Every line explains itself; what may be left out stands there as a comment with its default or an example. Ends with
/// a newline.
std::string configuration_text(const ConfigurationDraft& draft);

/// A word of a command line for a shell: quoted only if it has to be.
std::string shell_word(std::string_view word);

}  // namespace hwenroll::cli
