// Which CA `hwenroll init` configures, and which of its certificates it proposes to trust.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/configuration_draft.h"
#include "agent/config/configuration.h"
#include "agent/runtime/queries.h"

namespace hwenroll::cli {

/// A certificate of a GetCACert answer, before any of them is trusted.
struct CaRole {
    const Certificate* certificate = nullptr;  ///< of the set
    std::string text;                          ///< `root CA`, `issuing CA`, `root and issuing CA`, `RA`, …
    bool issues = false;                       ///< a CA's, and no other CA's certificate of the set is issued by it
};

/// In the order of the set, which outlives them. Pure.
std::vector<CaRole> roles_of(const std::vector<Certificate>& set);

/// The one to pin: the only CA that issues. Nothing if there is none, or more than one. Pure.
const Certificate* proposed_pin(const std::vector<CaRole>& roles);

/// `SHA256:6F:…`.
std::string fingerprint_of(const Certificate& certificate);

/// The entries of `legacy` that would let requests to a CA with these capabilities be made; none if none is needed or
/// none helps. Pure.
std::vector<std::string> needed_legacy(const scep::Capabilities& capabilities);

/// What was asked for.
struct CaQuestion {
    std::string url;
    std::string preset;                      ///< empty: none
    std::optional<std::string> fingerprint;  ///< as typed
    std::optional<std::string> envelope;
    std::string key;                  ///< `rsa:2048`
    std::optional<std::string> name;  ///< of the section
    const config::Configuration& existing;
    TimePoint now;
};

/// What the CA answered, and what follows from it.
struct CaChoice {
    config::AuthoritySettings settings;  ///< with the URL completed; the existing section's where there is one
    bool known = false;                  ///< the configuration has a section with this URL
    runtime::CaAnswer answer;
    std::vector<CaRole> roles;         ///< of `answer`, which must not move any more
    const Certificate* pin = nullptr;  ///< to trust; nothing: none can be proposed
    bool confirmed = false;            ///< by --fingerprint, or by the section that there is

    CaChoice() = default;
    CaChoice(CaChoice&&) = default;  // a vector's elements stay where they are
    CaChoice& operator=(CaChoice&&) = default;
    CaChoice(const CaChoice&) = delete;
    CaChoice& operator=(const CaChoice&) = delete;
    ~CaChoice() = default;
};

/// Whether `preset` of a [ca.*] section may be this.
bool is_preset(std::string_view word);

/// The URL that is asked: completed by the preset; as typed where that makes none.
std::string url_of(const CaQuestion& question);

/// Asks the CA. Errors: usage (no URL, fingerprint), ca_fingerprint (no certificate of a CA has it), those of ask_ca().
Result<CaChoice> ask_for_choice(const CaQuestion& question);

/// What it is, for people to compare.
std::string to_text(const CaChoice& choice);

/// The section, once `choice.pin` is confirmed: judged as the agent would. Errors: those of scep::authenticate();
/// usage, where an EC key needs an `envelope` that was not given.
Result<ConfigurationDraft::Ca> draft_of(const CaChoice& choice, const CaQuestion& question);

}  // namespace hwenroll::cli
