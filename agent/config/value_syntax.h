// The spellings of single values. Pure functions; every failure has code config_value unless stated, and a text that
// continues "'key' ": e.g. "is no duration". Secrets are never repeated in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/config/configuration.h"
#include "base/result.h"

namespace hwenroll::config {

/// `500ms`, `90s`, `10min` or `10m`, `24h`, `30d`, `2w`: whole numbers, not negative, at most 100 years (F11).
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The same in whole seconds; `ms` is refused.
Result<Seconds> parse_seconds(std::string_view text);

/// `75%`, 1 to 99.
Result<Percent> parse_percent(std::string_view text);

/// `75%` or `30d`.
Result<LifetimePoint> parse_lifetime_point(std::string_view text);

/// `64KiB`, `1MiB` or plain octets.
Result<std::int64_t> parse_size(std::string_view text);

/// `YYYY-MM-DD`, a day that exists.
Result<std::chrono::year_month_day> parse_date(std::string_view text);

/// SHA-256 as hexadecimal in either case, separated by `:`, `-` or blanks or not at all, with or without `SHA256:` in
/// front (CACERT-4). SHA-1 and MD5 are refused by name (F9).
Result<Bytes> parse_fingerprint(std::string_view text);

/// `file:/path`, `credential:NAME`, `exec:/path`. Anything else may be the secret itself and is not repeated.
Result<SecretSource> parse_secret_source(std::string_view text);

/// Absolute, without `.` and `..` components and without control characters (F7).
Result<std::filesystem::path> parse_path(std::string_view text);

/// http: or https: with a host and without user, password and fragment (SEC-17).
Result<std::string> parse_url(std::string_view text);

/// The same of a SCEP service: without `operation=`, which is added to it (HTTP-4).
Result<std::string> parse_scep_url(std::string_view text);

/// A URL without `operation=` and `message=` in its query, as one that was copied from a server's log has them.
std::string without_operation(std::string_view url);

/// RFC 7512 URI that names a token by its label, serial number, manufacturer or model; no PIN, slot, module or object
/// in it.
Result<std::string> parse_token_uri(std::string_view text);

/// `random`, `spki-sha256`, `spki-sha1` or `fixed:…` with 1 to 128 characters of PrintableString.
Result<TransactionIdRule> parse_transaction_id_rule(std::string_view text);

/// Names of identities, CAs and tokens: `[a-z0-9][a-z0-9._-]{0,63}`.
bool is_part_name(std::string_view text);

/// `dns:`, `ip:`, `email:`, `uri:` or `upn:` and a value of that kind; the result has the kind in lower case (CSR-3).
Result<std::string> parse_alt_name(std::string_view text);

/// keyUsage by its RFC 5280 §4.2.1.3 name.
Result<std::string> parse_key_usage(std::string_view text);

/// extendedKeyUsage by its usual name or as a dotted OID.
Result<std::string> parse_extended_key_usage(std::string_view text);

/// `rsa:2048`, `ec:p256`, `existing:pkcs11:id=%9a;object=LABEL` or `existing:handle:0x81010001`.
Result<KeyChoice> parse_key(std::string_view text);

/// `NAME` or `NAME:CONFIGURATION` as Tss2_TctiLdr_Initialize takes it, e.g. `device:/dev/tpmrm0`.
Result<std::string> parse_tcti(std::string_view text);

/// `blob` or `persistent:FIRST-LAST`.
Result<TpmStorage> parse_tpm_storage(std::string_view text);

/// `[Sun[,Mon…]] HH:MM-HH:MM`.
Result<ActivateWindow> parse_activate_window(std::string_view text);

/// `HOST:PORT` or `[IPv6]:PORT`.
Result<std::string> parse_host_port(std::string_view text);

/// A local IP address or the name of an interface or VRF.
Result<std::string> parse_bind(std::string_view text);

/// Octal permissions of a public file: `0444`, `0644`, `0640`, …; nobody but the owner may write.
Result<std::uint32_t> parse_mode(std::string_view text);

/// Name of a group: `[A-Za-z_][A-Za-z0-9_.-]{0,31}`.
Result<std::string> parse_group(std::string_view text);

}  // namespace hwenroll::config
