// What the configuration says, typed and checked: the only form in which the rest of the agent sees it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/config/finding.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/distinguished_name.h"

namespace hwenroll::config {

/// A program and its arguments, never a shell line. The first element is an absolute path.
using Command = std::vector<std::string>;

/// `[agent]`.
struct AgentSettings {
    std::filesystem::path state_dir = "/var/lib/hwenroll";
    std::filesystem::path runtime_dir = "/run/hwenroll";
    std::filesystem::path publish_dir = "/var/lib/hwenroll/live";  ///< follows state_dir unless it is set
    Command on_alert;                                              ///< empty: none
    std::string admin_group = "hwenroll-admin";
    Seconds history_keep = std::chrono::hours(400 * 24);
    friend bool operator==(const AgentSettings&, const AgentSettings&) = default;
};

/// Where a secret is read from at the moment of its use. The configuration itself never holds one.
struct SecretSource {
    enum class Kind : std::uint8_t { file, credential, command };
    Kind kind = Kind::file;
    std::string location;  ///< absolute path of the file or command, or the name of a systemd credential

    /// `file:/path`, `credential:NAME` or `exec:/path`: the configuration's spelling.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const SecretSource&, const SecretSource&) = default;
};

enum class TokenType : std::uint8_t { pkcs11, tpm2 };

/// Where a TPM keeps keys: as blobs in the state directory, or under persistent handles of this range.
struct TpmStorage {
    std::uint32_t first = 0;  ///< 0: blobs
    std::uint32_t last = 0;
    [[nodiscard]] bool persistent() const { return first != 0; }
    friend bool operator==(const TpmStorage&, const TpmStorage&) = default;
};

/// `[token.NAME]`.
struct TokenSettings {
    std::string name;
    TokenType type = TokenType::pkcs11;
    std::filesystem::path module;      ///< pkcs11
    std::string uri;                   ///< pkcs11: RFC 7512; without PIN, slot number and module
    std::optional<SecretSource> pin;   ///< pkcs11; nothing: a token without login
    std::string tcti;                  ///< tpm2: `NAME` or `NAME:CONFIGURATION` of a TCTI
    std::optional<SecretSource> auth;  ///< tpm2: of the keys; nothing: empty
    TpmStorage storage;                ///< tpm2
    bool network = false;              ///< its worker may use the network
    std::chrono::milliseconds deadline_login{30'000};
    std::chrono::milliseconds deadline_use{60'000};
    std::chrono::milliseconds deadline_generate{15 * 60'000};
    friend bool operator==(const TokenSettings&, const TokenSettings&) = default;
};

/// The spelling of a token's `pin` or `auth`; empty: it has none.
std::string pin_text(const TokenSettings& token);

enum class HttpMethod : std::uint8_t { automatic, get, post };
enum class RenewalType : std::uint8_t { automatic, renewal_req, pkcs_req };
enum class Resync : std::uint8_t { same, poll, fresh };
enum class SwitchAt : std::uint8_t { ca_expiry, not_before, now };

/// How transactionID is made (MSG-4, MSG-5).
struct TransactionIdRule {
    enum class Kind : std::uint8_t { random, spki_sha256, spki_sha1, fixed };
    Kind kind = Kind::random;
    std::string fixed;  ///< Kind::fixed only
    friend bool operator==(const TransactionIdRule&, const TransactionIdRule&) = default;
};

/// The parts of `legacy` that are switched on, and until when.
struct LegacySettings {
    bool des_cbc_reply = false;
    bool des3 = false;
    bool sha1_reply = false;
    bool sha1_request = false;
    std::optional<TimePoint> until;  ///< the first second (UTC) after the day of legacy_until; set if any is on
    [[nodiscard]] bool any() const { return des_cbc_reply || des3 || sha1_reply || sha1_request; }
    friend bool operator==(const LegacySettings&, const LegacySettings&) = default;
};

/// Completes a `url` that is only a host (HTTP-3).
enum class Preset : std::uint8_t { none, cisco_ios, ndes };

/// Which certificates beside the CA's own may sign replies and receive requests.
enum class RaRule : std::uint8_t { eku, pinned, issued_by_ca };

/// What makes a successor of the CA trusted.
enum class RolloverRule : std::uint8_t { signature, fingerprint, operator_ };

/// How a reply reaches an EC key, which cannot decrypt (ENV-12 to ENV-14): under the challenge, by an RSA key beside it
/// on the token, or by ECDH.
enum class EnvelopeMode : std::uint8_t { automatic, password, token_rsa, agree };

enum class CrlSource : std::uint8_t { off, scep, cdp };
enum class ChallengeEncoding : std::uint8_t { automatic, printable, utf8 };

/// How requests are encrypted and signed: by what the CA announces, or as the operator says (ALG-4, ALG-8). The weak
/// ones are for a CA that announces better and cannot do it (ALG-10), and need their part of `legacy`.
enum class CipherChoice : std::uint8_t { automatic, aes128, aes192, aes256, des3 };
enum class DigestChoice : std::uint8_t { automatic, sha256, sha512, sha1 };
enum class KeyTransport : std::uint8_t { pkcs1, oaep };

/// `[ca.NAME]`.
struct AuthoritySettings {
    std::string name;
    Preset preset = Preset::none;
    std::vector<std::string> urls;    ///< at least one, tried in order; http: or https:, completed by the preset
    std::vector<Bytes> fingerprints;  ///< at least one SHA-256, 32 octets each (CACERT-4)
    std::optional<SecretSource> challenge;
    ChallengeEncoding challenge_encoding = ChallengeEncoding::automatic;
    RaRule ra = RaRule::eku;
    std::vector<Bytes> ra_fingerprints;  ///< RaRule::pinned only: at least one SHA-256
    RolloverRule rollover = RolloverRule::signature;
    std::vector<Bytes> next_fingerprints;  ///< RolloverRule::fingerprint only: at least one SHA-256
    EnvelopeMode envelope = EnvelopeMode::automatic;
    CrlSource crl = CrlSource::off;
    CipherChoice cipher = CipherChoice::automatic;
    DigestChoice digest = DigestChoice::automatic;
    KeyTransport key_transport = KeyTransport::pkcs1;
    std::string identifier;  ///< `message` of GetCACaps and GetCACert; may be empty (HTTP-6)
    HttpMethod http = HttpMethod::automatic;
    RenewalType renewal_type = RenewalType::automatic;
    bool renewal_sends_challenge = false;
    TransactionIdRule transaction_id;
    std::vector<Resync> resync{Resync::same, Resync::poll, Resync::fresh};
    LegacySettings legacy;
    SwitchAt switch_at = SwitchAt::ca_expiry;
    std::string proxy;             ///< http: URL; empty: none
    std::filesystem::path tls_ca;  ///< PEM file for https:; empty: the system's
    std::string bind;              ///< local address or interface; empty: any
    friend bool operator==(const AuthoritySettings&, const AuthoritySettings&) = default;
};

/// A kind of key to generate.
enum class KeyType : std::uint8_t { rsa_2048, rsa_3072, rsa_4096, ec_p256, ec_p384 };

/// `existing:pkcs11:id=%9a;object=web`: a key that is on the token already. It is used and never destroyed.
struct ExistingKey {
    Bytes id;           ///< CKA_ID; empty: any
    std::string label;  ///< CKA_LABEL; empty: any. One of the two is there
    friend bool operator==(const ExistingKey&, const ExistingKey&) = default;
};

/// `existing:handle:0x81010001`: a persistent key of a TPM.
struct PersistentHandle {
    std::uint32_t value = 0;  ///< 0x81000000 … 0x81FFFFFF
    friend bool operator==(const PersistentHandle&, const PersistentHandle&) = default;
};

/// `key`.
using KeyChoice = std::variant<KeyType, ExistingKey, PersistentHandle>;

/// `rsa:2048`, `existing:pkcs11:id=%9a`: the configuration's spelling.
std::string to_text(const KeyChoice& key);

/// An EC key that is generated.
bool is_ec(const KeyChoice& key);

/// How replies reach an identity with this key under a CA with this `envelope`: an RSA key decrypts them whatever that
/// says, so for one the answer is `automatic`.
EnvelopeMode envelope_for(const KeyChoice& key, EnvelopeMode configured);

enum class NewKey : std::uint8_t { require, prefer, reuse };
enum class AcceptSubject : std::uint8_t { same_rdns, exact, any };
enum class AcceptAltNames : std::uint8_t { superset, any };
enum class AcceptUsage : std::uint8_t { warn, require };

/// 1 to 99 percent of a certificate's lifetime.
struct Percent {
    int value = 0;
    friend bool operator==(const Percent&, const Percent&) = default;
};

/// A point in a certificate's lifetime: a share of it that has passed, or a time before its end.
using LifetimePoint = std::variant<Percent, Seconds>;

/// A span before expiry: a share of the lifetime, or a time.
using LifetimeSpan = std::variant<Percent, Seconds>;

/// What the issued certificate may differ in from what was asked for.
struct AcceptRule {
    AcceptSubject subject = AcceptSubject::same_rdns;
    AcceptAltNames alt_names = AcceptAltNames::superset;
    AcceptUsage usage = AcceptUsage::warn;
    friend bool operator==(const AcceptRule&, const AcceptRule&) = default;
};

/// `Sun 02:00-04:00`, local time.
struct ActivateWindow {
    std::uint8_t days = 0x7F;     ///< bit 0 is Sunday
    std::chrono::minutes from{};  ///< since midnight, 0 … 1439
    std::chrono::minutes to{};    ///< since midnight, 1 … 1440; below `from`: it ends on the next day
    friend bool operator==(const ActivateWindow&, const ActivateWindow&) = default;
};

/// How PENDING is polled (RT-7).
struct PollSchedule {
    Seconds start{60};
    double factor = 1.5;
    Seconds max = std::chrono::hours(1);
    Seconds give_up = std::chrono::hours(7 * 24);
    friend bool operator==(const PollSchedule&, const PollSchedule&) = default;
};

/// `signer`: a manufacturer's certificate and its key sign the first request.
struct SignerSettings {
    std::string token;
    KeyChoice key;  ///< an existing one
    std::filesystem::path certificate;
    std::filesystem::path chain;  ///< empty: none
    friend bool operator==(const SignerSettings&, const SignerSettings&) = default;
};

/// `[identity.NAME]`.
struct IdentitySettings {
    std::string name;  ///< after expansion of variables
    std::string ca;
    std::string token;
    KeyChoice key = KeyType::rsa_2048;
    std::string subject_text;  ///< `subject` as written, after expansion of variables
    DistinguishedName subject;
    std::vector<std::string> subject_alt_names;  ///< `dns:`, `ip:`, `email:`, `uri:` or `upn:`
    /// RFC 5280 §4.2.1.3 names; where none are configured, an EC key has keyAgreement in place of keyEncipherment.
    std::vector<std::string> key_usage{"digitalSignature", "keyEncipherment"};
    std::vector<std::string> extended_key_usage;  ///< names or dotted OIDs
    LifetimePoint renew_at = Percent{75};
    int renew_jitter_percent = 5;  ///< 0 … 25 of the lifetime; only ever earlier
    NewKey new_key = NewKey::require;
    std::vector<Command> on_change;
    std::string verify_tls;  ///< `host:port`; empty: none
    Command verify_command;  ///< empty: none; at most one of the two is set
    std::optional<SignerSettings> signer;
    AcceptRule accept;
    Seconds retire_after = std::chrono::hours(24);
    std::optional<ActivateWindow> activate_window;
    LifetimeSpan activate_by = Percent{10};
    std::string group;          ///< of key.pem and key.uri; empty: none
    std::uint32_t mode = 0644;  ///< of the certificates
    PollSchedule poll;
    friend bool operator==(const IdentitySettings&, const IdentitySettings&) = default;
};

/// `[limits]`: bounds on what comes from the network. Sizes in octets.
struct LimitSettings {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds exchange_timeout{60'000};
    std::size_t max_caps_bytes = std::size_t{64} << 10U;
    std::size_t max_reply_bytes = std::size_t{1} << 20U;
    std::size_t max_crl_bytes = std::size_t{16} << 20U;
    std::size_t max_certificates = 64;
    int max_rsa_bits = 8192;
    int max_exponent_bits = 33;  ///< an exponent up to 2^32
    std::size_t max_asn1_depth = 32;
    int max_path = 10;
    int max_redirects = 3;
    Seconds retry_after_min{1};
    Seconds retry_after_max = std::chrono::hours(24);
    std::uint32_t max_pbkdf2 = 10'000'000;
    std::size_t max_get_url = 8000;
    Seconds min_lifetime = std::chrono::hours(1);
    Seconds rollover_tolerance = std::chrono::hours(1);
    Seconds clock_skew = std::chrono::minutes(5);
    friend bool operator==(const LimitSettings&, const LimitSettings&) = default;
};

/// Where values were written: `identity/web/poll/start`, after expansion of the name. A default has no entry.
using Origins = std::map<std::string, Location, std::less<>>;

/// The whole configuration. A part with a finding is absent from its map.
struct Configuration {
    AgentSettings agent;
    LimitSettings limits;
    std::map<std::string, TokenSettings, std::less<>> tokens;
    std::map<std::string, AuthoritySettings, std::less<>> authorities;
    std::map<std::string, IdentitySettings, std::less<>> identities;
    std::vector<Finding> findings;             ///< in the order of files and lines; empty: all is well
    std::vector<std::filesystem::path> files;  ///< what was read, in order
    Origins origins;
    Bytes digest;  ///< SHA-256 over the names and the texts of `files`: another one means that they were changed

    /// A finding disables the part of that kind and name.
    [[nodiscard]] bool is_disabled(Part part, std::string_view name) const;
};

}  // namespace hwenroll::config
