#include "agent/runtime/configuration_mark.h"

#include <sys/stat.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hwenroll::runtime {
namespace {

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string to_text(const FileFacts& file) {
    return file == FileFacts{}
               ? std::string()
               : fmt::format("{}:{}:{}:{}:{}", file.device, file.inode, file.size, file.modified_ns, file.changed_ns);
}

/// What loads the token's keys.
std::string module_text(const config::TokenSettings& token) {
    return token.type == config::TokenType::tpm2 ? token.tcti : token.module.string();
}

std::string request_text(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                         const config::TokenSettings& token) {
    std::string text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", identity.name, to_hex(identity.subject.der()),
                                   fmt::join(identity.subject_alt_names, "\n"), fmt::join(identity.key_usage, "\n"),
                                   fmt::join(identity.extended_key_usage, "\n"), config::to_text(identity.key));
    text += fmt::format("{}\n{}\n{}\n", authority.identifier, module_text(token), token.uri);
    // Of an RSA key it says nothing, so that the mark of its request is what it always was.
    const config::EnvelopeMode envelope = config::envelope_for(identity.key, authority.envelope);
    return envelope == config::EnvelopeMode::automatic ? text : text + fmt::format("{}\n", static_cast<int>(envelope));
}

std::string limits_text(const config::LimitSettings& limits) {
    return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}\n", limits.connect_timeout.count(),
                       limits.exchange_timeout.count(), limits.max_caps_bytes, limits.max_reply_bytes,
                       limits.max_certificates, limits.max_rsa_bits, limits.max_exponent_bits, limits.max_asn1_depth,
                       limits.max_path, limits.max_redirects, limits.max_pbkdf2, limits.max_get_url,
                       limits.min_lifetime.count(), limits.clock_skew.count());
}

}  // namespace

FileFacts facts_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return {};
    }
    return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

FileFacts challenge_file(const config::AuthoritySettings& authority) {
    const auto& source = authority.challenge;
    return source && source->kind == config::SecretSource::Kind::file ? facts_of(source->location) : FileFacts{};
}

Bytes request_mark(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                   const config::TokenSettings& token) {
    return sha256(as_bytes(request_text(identity, authority, token)));
}

Bytes name_mark(const config::IdentitySettings& identity, const config::TokenSettings& token) {
    return sha256(
        as_bytes(fmt::format("{}\n{}\n{}\n{}\n{}\n", to_hex(identity.subject.der()),
                             fmt::join(identity.subject_alt_names, "\n"), identity.ca, module_text(token), token.uri)));
}

Bytes content_mark(const config::IdentitySettings& identity) {
    return sha256(
        as_bytes(fmt::format("{}\n{}\n{}\n", config::to_text(identity.key), fmt::join(identity.key_usage, "\n"),
                             fmt::join(identity.extended_key_usage, "\n"))));
}

Bytes signer_mark(const config::SignerSettings& signer, const config::TokenSettings& token) {
    return sha256(as_bytes(fmt::format("{}\n{}\n{}\n", config::to_text(signer.key), module_text(token), token.uri)));
}

Bytes with_signer(const Bytes& mark, const config::SignerSettings& signer, const config::TokenSettings& token) {
    const std::string certificate = signer.certificate.string();
    const std::string chain = signer.chain.string();
    return sha256(as_bytes(fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n", to_hex(mark), to_hex(signer_mark(signer, token)),
                                       pin_text(token), certificate, to_text(facts_of(certificate)), chain,
                                       to_text(facts_of(chain)))));
}

Bytes configuration_mark(const config::IdentitySettings& identity, const config::AuthoritySettings& authority,
                         const config::TokenSettings& token, const config::LimitSettings& limits) {
    std::string text = request_text(identity, authority, token);
    text += fmt::format("{} {} {} {}\n{}\n", identity.poll.start.count(), identity.poll.factor,
                        identity.poll.max.count(), identity.poll.give_up.count(), pin_text(token));
    text += fmt::format("{}\n{}\n{}\n{}\n", authority.proxy, authority.tls_ca.string(), authority.bind,
                        authority.legacy.until ? to_iso8601(*authority.legacy.until) : "");
    text += limits_text(limits);
    if (authority.envelope != config::EnvelopeMode::automatic) {
        text += fmt::format("envelope {}\n", static_cast<int>(authority.envelope));
    }
    for (const config::Resync step : authority.resync) {
        text += fmt::format("{} ", static_cast<int>(step));
    }
    text += fmt::format("{} {} {}\n", static_cast<int>(authority.renewal_type), authority.renewal_sends_challenge,
                        static_cast<int>(identity.new_key));
    text += fmt::format("{} {} {}\n", static_cast<int>(identity.accept.subject),
                        static_cast<int>(identity.accept.alt_names), static_cast<int>(identity.accept.usage));
    text += fmt::format("{}\n{}\n{}\n{} {} {} {} {}\n", fmt::join(authority.urls, "\n"),
                        authority.challenge ? authority.challenge->text() : std::string(),
                        to_text(challenge_file(authority)), authority.legacy.des_cbc_reply, authority.legacy.des3,
                        authority.legacy.sha1_reply, authority.legacy.sha1_request, static_cast<int>(authority.http));
    text +=
        fmt::format("{} {} {} {}\n", static_cast<int>(authority.challenge_encoding), static_cast<int>(authority.cipher),
                    static_cast<int>(authority.digest), static_cast<int>(authority.key_transport));
    text += fmt::format("{} {}\n", static_cast<int>(authority.transaction_id.kind), authority.transaction_id.fixed);
    for (const std::vector<Bytes>* const list : {&authority.fingerprints, &authority.ra_fingerprints}) {
        for (const Bytes& fingerprint : *list) {
            text += to_hex(fingerprint) + '\n';
        }
        text += fmt::format("{}\n", static_cast<int>(authority.ra));
    }
    return sha256(as_bytes(text));
}

}  // namespace hwenroll::runtime
