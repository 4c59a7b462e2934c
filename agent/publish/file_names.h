// The one place that knows how published files are called.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hwenroll::publish {

inline constexpr std::string_view current_link = "current";
inline constexpr std::string_view certificate_file = "cert.pem";
inline constexpr std::string_view chain_file = "chain.pem";
inline constexpr std::string_view full_chain_file = "fullchain.pem";
inline constexpr std::string_view anchors_file = "ca.pem";
inline constexpr std::string_view key_file = "key.pem";
inline constexpr std::string_view key_uri_file = "key.uri";
inline constexpr std::string_view document_file = "identity.json";
inline constexpr std::string_view crl_file = "crl.pem";

/// All files of a generation; that of a key which `key_uri_file` names by a TPM's handle has no `key_file`. Where the
/// CA's CRL is fetched there is `crl_file` too.
inline constexpr std::array<std::string_view, 7> generation_files{
    certificate_file, chain_file, full_chain_file, anchors_file, key_uri_file, key_file, document_file};

/// `gen-001`, `gen-1000`.
std::string generation_name(std::uint64_t number);

/// Reads generation_name back; nothing for any other text.
std::optional<std::uint64_t> generation_number(std::string_view name);

/// The name of something unfinished, which a crash may leave behind: `.tmp-` and `name`.
std::string temporary_name(std::string_view name);

/// True for what temporary_name makes.
bool is_temporary(std::string_view name);

/// `[a-z0-9][a-z0-9._-]{0,63}`: safe as a directory's name.
bool is_identity_name(std::string_view name);

}  // namespace hwenroll::publish
