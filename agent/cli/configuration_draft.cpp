#include "agent/cli/configuration_draft.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace hwenroll::cli {
namespace {

/// A basic string of TOML.
std::string basic_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            (out += '\\') += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string list_of(const std::vector<std::string>& texts) {
    std::vector<std::string> all;
    all.reserve(texts.size());
    std::ranges::transform(texts, std::back_inserter(all), [](const std::string& text) { return basic_string(text); });
    return fmt::format("[{}]", fmt::join(all, ", "));
}

std::string agent_section(const ConfigurationDraft& draft) {
    std::string out = "[agent]\n";
    if (draft.state_dir) {
        out += fmt::format(
            "# The state of all identities, and below it what is published.\nstate_dir = {}\n"
            "# The control socket.\nruntime_dir = {}\n",
            basic_string(*draft.state_dir), basic_string(*draft.state_dir + "/run"));
    } else {
        out += R"(# The state of all identities.
# state_dir = "/var/lib/hwenroll"
# The control socket.
# runtime_dir = "/run/hwenroll"
# Certificates and references to keys, where other programs read them: <publish_dir>/<identity>/current/.
# publish_dir = "/var/lib/hwenroll/live"
)";
    }
    return out + R"(# A program that is told what people have to know: it is run with the text as its last argument.
# on_alert = ["/usr/local/bin/page"]
# Members may enroll, renew, cancel and resume through the control socket.
# admin_group = "hwenroll-admin"
# How long the history of each identity is kept.
# history_keep = "400d"
)";
}

std::string token_section(const ConfigurationDraft::Token& token) {
    if (token.known) {
        return {};
    }
    std::string out = fmt::format("\n# Where private keys are made, used and never leave: {}.\n[token.{}]\n",
                                  printable(token.description, 200), token.name);
    if (!token.tcti.empty()) {
        return out + fmt::format(R"(type = "tpm2"
# How the TPM is reached: the kernel's resource manager serves several programs at once.
tcti = {}
# Keys are kept as blobs that only this TPM can load, or under persistent handles of it.
# storage = "blob"
# A value that the keys ask for, as a source like file:/etc/hwenroll/tpm.auth; without it other programs need none.
# auth = "file:/etc/hwenroll/tpm.auth"
)",
                                 basic_string(token.tcti));
    }
    out += fmt::format(R"(type = "pkcs11"
# The vendor's library. Only hwenroll-token loads it.
module = {}
# The token by what is printed in it, never by a slot number (RFC 7512).
uri = {}
)",
                       basic_string(token.module), basic_string(token.uri));
    out += token.needs_pin ? fmt::format(
                                 "# Where its PIN is read from: a file of mode 0600, credential:NAME of systemd, or "
                                 "exec:/path/to/command.\npin = {}\n",
                                 basic_string(token.pin))
                           : std::string(
                                 "# It asks for no PIN. One that does: file:/path, credential:NAME or exec:/path.\n"
                                 "# pin = \"file:/etc/hwenroll/token.pin\"\n");
    return out + "# An HSM in the network, or a module that drives USB itself.\n# network = false\n";
}

std::string weak_lines(const ConfigurationDraft::Ca& ca) {
    if (ca.weak.empty()) {
        return "# Weak algorithms of an old CA, each by its name and until a day (legacy_until).\n# legacy = []\n";
    }
    return fmt::format(
        "# This CA announces nothing that is strong enough (at least AES and SHA-256), so that requests to\n"
        "# it are refused. Have it updated; or remove the # of the next two lines to permit for a while\n"
        "# what anybody who records the exchange may break in time.\n# legacy = {}\n"
        "# legacy_until = {}\n",
        list_of(ca.weak), basic_string(ca.weak_until));
}

std::string ca_section(const ConfigurationDraft::Ca& ca) {
    if (ca.known) {
        return {};
    }
    std::string out = fmt::format(
        "\n# The CA that issues.\n[ca.{}]\n# Its SCEP service; a list is tried in order.\n"
        "url = {}\n",
        ca.name, basic_string(ca.url));
    if (!ca.preset.empty()) {
        out += fmt::format("# Completes a url that is only a host.\npreset = {}\n", basic_string(ca.preset));
    }
    out += fmt::format("# SHA-256 of the certificate that is trusted: {}.\nfingerprint = {}\n",
                       printable(ca.description, 200), basic_string(ca.fingerprint));
    out += "# The challenge password that lets the first request pass; its source is read when it is needed.\n";
    out += ca.challenge ? "challenge = " + basic_string(*ca.challenge) + "\n"
                        : "# challenge = " + basic_string(ca.challenge_example) + "\n";
    out += "# How replies reach an EC key, which cannot decrypt: \"agree\", \"password\" or \"token-rsa\".\n";
    out += ca.envelope.empty() ? "# envelope = \"auto\"\n" : "envelope = " + basic_string(ca.envelope) + "\n";
    return out + weak_lines(ca) +
           R"(# Which certificates beside the CA's own may act for it: RAs with their purpose, "pinned", "issued-by-ca".
# ra = "eku"
# What makes the CA's successor trusted: the CA's signature, a "fingerprint", or an "operator".
# rollover = "signature"
# When identities go over to the successor.
# switch_at = "ca-expiry"
# Renewals by RenewalReq where the CA announces it, or always "17" (RenewalReq) or "19" (PKCSReq).
# renewal_type = "auto"
# Whether a renewal says the challenge again.
# renewal_challenge = "omit"
# How the transaction is named.
# txid = "random"
# What takes up a request whose answer was lost, in this order.
# resync = "same,poll,new"
# POST where the CA announces it.
# http = "auto"
# A name that the CA serves several CAs by (message= of GetCACert).
# identifier = "ca"
# An HTTP proxy, a local address or interface, and the CA of an https: url.
# proxy = "http://proxy.example.com:3128"
# bind = "192.0.2.10"
# tls_ca = "/etc/ssl/certs/ca-certificates.crt"
# Publish the CA's CRL beside the certificate: fetched by "scep" or from its "cdp".
# crl = "off"
)";
}

std::string identity_section(const ConfigurationDraft& draft) {
    std::string out =
        fmt::format("\n# A certificate, and the key that it is for.\n[identity.{}]\nca = {}\ntoken = {}\n",
                    draft.identity, basic_string(draft.ca.name), basic_string(draft.token.name));
    out += fmt::format(
        "# Made on the token: rsa:2048, rsa:3072, rsa:4096, ec:p256, ec:p384; or existing:pkcs11:id=%9a.\n"
        "key = {}\n# ${{hostname}} ${{fqdn}} ${{machine_id}} ${{serial}} stand for this machine's.\n"
        "subject = {}\n",
        basic_string(draft.key), basic_string(draft.subject));
    out += "# Other names: dns:, ip:, email:, uri:, upn:.\n";
    out += draft.alt_names.empty() ? std::string("# san = [\"dns:web01.example.com\"]\n")
                                   : "san = " + list_of(draft.alt_names) + "\n";
    const bool ec = draft.key.starts_with("ec:");
    return out +
           fmt::format("# What the key may be used for, and what the certificate is for.\n# key_usage = {}\n",
                       ec ? R"(["digitalSignature", "keyAgreement"])" : R"(["digitalSignature", "keyEncipherment"])") +
           R"(# extended_key_usage = ["serverAuth", "clientAuth"]
# When it is renewed: a share of its lifetime, or a time before its end as 30d; and how much earlier at most, so that
# a fleet does not come at once.
# renew_at = "75%"
# renew_jitter = "5%"
# A new key for each certificate: "require", "prefer" or "reuse".
# new_key = "require"
# Programs that make consumers use a new certificate.
# on_change = [["/usr/bin/systemctl", "reload", "nginx"]]
# Whether they do, looked at by TLS.
# verify = { tls = "127.0.0.1:443" }
# How long an old key stays after its successor is in use.
# retire_after = "24h"
# When a renewed certificate may take the place of the old one, and by when at the latest before its end.
# activate_window = "Sun 02:00-04:00"
# activate_by = "10%"
# What the issued certificate may differ in from what was asked for.
# accept = { subject = "same-rdns", san = "superset", usage = "warn" }
# Who may read the reference to the key beside root, and the mode of the certificates.
# group = "ssl-cert"
# mode = "0644"
# How often the CA is asked while it decides.
# poll = { start = "60s", factor = 1.5, max = "1h", give_up = "7d" }
)";
}

}  // namespace

std::string configuration_text(const ConfigurationDraft& draft) {
    std::string out =
        "# Written by 'hwenroll init'. A line that begins with '#' and holds a key is not in force: it shows the "
        "default,\n"
        "# or an example. 'hwenroll check-config' reads this file, 'hwenroll cat-config' shows what is in force.\n\n";
    if (draft.has_agent) {
        out += agent_section(draft);
    }
    return out + token_section(draft.token) + ca_section(draft.ca) + identity_section(draft);
}

std::string shell_word(std::string_view word) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
        return std::string(word);
    }
    std::string out = "'";
    for (const char c : word) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

}  // namespace hwenroll::cli
