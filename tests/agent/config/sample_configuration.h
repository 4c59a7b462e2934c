// Configurations for tests, and short ways to read them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "agent/config/configuration_reader.h"

namespace hwenroll::config {

/// The configuration of the design, with a fingerprint of full length.
inline constexpr const char* complete = R"([agent]
state_dir = "/srv/hwenroll"
on_alert = ["/usr/local/bin/page", "--now"]
history_keep = "30d"

[token.lab]
type   = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri    = "pkcs11:token=lab"
pin    = "file:/etc/hwenroll/lab.pin"
deadline_use = "1500ms"

[ca.corp]
url         = ["http://ca.example.com/scep", "http://ca2.example.com/scep"]
fingerprint = "SHA256:6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb"
challenge   = "credential:corp"
identifier  = "corp ca"
http = "get"
legacy = ["des-cbc-reply", "sha1-reply"]
legacy_until = 2027-12-31
renewal_type = 19
renewal_challenge = "send"
switch_at = "not-before"
txid = "random"
resync = "same,poll,new"
ra = "eku"
rollover = "signature"
envelope = "auto"
challenge_encoding = "auto"
crl = "off"
proxy = "http://proxy.example.com:3128"
tls_ca = "/etc/ssl/corp.pem"
bind = "vrf-mgmt"

[identity.web]
ca = "corp"
token = "lab"
key = "rsa:3072"
subject = "CN=web01.example.com,O=Example"
san = ["dns:web01.example.com", "ip:192.0.2.1"]
key_usage = ["digitalSignature"]
extended_key_usage = ["serverAuth", "clientAuth"]
renew_at = "30d"
renew_jitter = "0%"
new_key = "prefer"
accept = { subject = "exact", usage = "require" }
retire_after = "10s"
activate_window = "Sun 02:00-04:00"
activate_by = "5%"
group = "ssl-cert"
mode = "0640"
poll = { start = "5s", factor = 2, max = "1min", give_up = "1h" }

[limits]
connect_timeout = "2s"
max_reply_bytes = "2MiB"
)";

/// The same with nothing but what is required.
inline constexpr const char* least = R"([token.lab]
type = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
uri = "pkcs11:token=lab"
[ca.corp]
url = "http://ca.example.com/scep"
fingerprint = "6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb"
[identity.web]
ca = "corp"
token = "lab"
subject = "CN=web01"
)";

/// A machine that does not tell its serial number.
inline HostFacts facts() {
    return {"edge7", "edge7.example.com", "0123456789abcdef0123456789abcdef", std::nullopt};
}

/// Reads what has to be readable; throws std::runtime_error otherwise.
inline Configuration must_read(const std::vector<SourceText>& sources) {
    auto configuration = read_configuration(sources, facts());
    if (!configuration) {
        throw std::runtime_error(configuration.error().line());
    }
    return *std::move(configuration);
}

inline Configuration must_read(const std::string& text) {
    return must_read({{"hwenroll.toml", text}});
}

/// The findings as an operator sees them.
inline std::vector<std::string> lines_of(const Findings& findings) {
    std::vector<std::string> lines;
    for (const Finding& finding : findings) {
        lines.push_back(finding.error.line());
    }
    return lines;
}

/// The one finding of `text`; an empty line when there is another number of them.
inline std::string only_finding(const std::string& text) {
    const Configuration configuration = must_read(text);
    EXPECT_EQ(configuration.findings.size(), 1U)
        << fmt::format("{}", fmt::join(lines_of(configuration.findings), "\n"));
    return configuration.findings.size() == 1 ? configuration.findings.front().error.line() : "";
}

/// `text` with the first line that begins with `start` replaced.
inline std::string with_line(std::string text, std::string_view start, std::string_view line) {
    std::size_t at = text.starts_with(start) ? 0 : text.find(fmt::format("\n{}", start));
    if (at == std::string::npos) {
        throw std::runtime_error(fmt::format("no line '{}'", start));
    }
    at += at == 0 ? 0 : 1;
    return text.replace(at, text.find('\n', at) - at, line);
}

}  // namespace hwenroll::config
