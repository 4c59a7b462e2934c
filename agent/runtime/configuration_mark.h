// Short names for the settings that an identity's requests depend on, to notice that an operator changed them.
#pragma once

#include "agent/config/configuration.h"

namespace hwenroll::runtime {

/// What is known of a file without reading it; all zero where there is none.
struct FileFacts {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const FileFacts&, const FileFacts&) = default;
};
FileFacts facts_of(const std::string& path);

/// Of the file that the challenge is in, if it is in one.
FileFacts challenge_file(const config::AuthoritySettings& authority);

/// SHA-256 over what a request says, which key it is about and which CA and token it needs: another mark makes a
/// request under way worthless. Not in it: the challenge, what is accepted, how the CA is reached.
Bytes request_mark(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                   const config::TokenSettings& token);

/// SHA-256 over the same, all other settings of the identity, its CA and its token that a request or its
/// answer depends on, the limits, and over the metadata (never the
/// contents) of the challenge's file: a new challenge releases a hold (FI-2) and makes a request with the old one
/// pointless.
Bytes configuration_mark(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                         const config::TokenSettings& token, const config::LimitSettings& limits);

/// SHA-256 over whose certificate it is: names, CA and token. Another mark needs another enrollment (F3).
Bytes name_mark(const config::IdentitySettings& identity, const config::TokenSettings& token);

/// SHA-256 over what else the certificate says: key and usages. Another mark needs another certificate (F3).
Bytes content_mark(const config::IdentitySettings& identity);

/// SHA-256 over which key signs for a manufacturer, on which token: another mark makes a request worthless that it
/// signed, even one that the CA is deciding, since the answer is encrypted to that key.
Bytes signer_mark(const config::SignerSettings& signer, const config::TokenSettings& token);

/// `mark`, a configuration_mark(), with the settings of `signer`, its token and the metadata of its files in it.
Bytes with_signer(const Bytes& mark, const config::SignerSettings& signer, const config::TokenSettings& token);

}  // namespace hwenroll::runtime
