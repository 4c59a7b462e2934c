#include "agent/config/effective_configuration.h"

#include <gmock/gmock.h>

#include "agent/config/toml_text.h"
#include "tests/agent/config/sample_configuration.h"

namespace hwenroll::config {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What `text` is in force as, written and read again.
Configuration again(const Configuration& configuration) {
    return must_read(to_toml(effective(configuration)));
}

void expect_same(const Configuration& a, const Configuration& b) {
    EXPECT_TRUE(b.findings.empty()) << lines_of(b.findings).front();
    EXPECT_EQ(a.agent, b.agent);
    EXPECT_EQ(a.limits, b.limits);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.authorities, b.authorities);
    EXPECT_EQ(a.identities, b.identities);
}

TEST(EffectiveConfiguration, reads_back_to_the_same_configuration) {
    for (const char* text : {complete, least, ""}) {
        const Configuration all = must_read(text);
        expect_same(all, again(all));
        EXPECT_EQ(to_toml(effective(all)).empty(), false);
    }
}

TEST(EffectiveConfiguration, reads_back_what_needs_quoting_or_has_many_spellings) {
    const Configuration all = must_read(std::string(R"([agent]
on_alert = ["/usr/bin/page", "a \"b\" \\ #c", "tab\there"]
[limits]
exchange_timeout = "1500ms"
retry_after_max = "90min"
max_reply_bytes = "2MiB"
rollover_tolerance = "0s"
[identity."web.${hostname}"]
ca = "corp"
token = "lab"
key = "existing:pkcs11:object=web%20%c3%bc%3b1;id=%00%ff"
subject = "CN=web\\, 01+UID=${hostname},O=Zürich"
san = ["uri:urn:a:b", "upn:web@example.com"]
key_usage = []
extended_key_usage = ["1.3.6.1.5.5.7.3.1"]
renew_at = "36h"
renew_jitter = "0%"
activate_window = "Sat,Sun 22:00-06:00"
activate_by = "2w"
mode = "444"
poll = { factor = 1.25, start = "1s" }
)") + std::string(least) + "[identity.mail]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=m\"\nkey = \"rsa:3072\"\n");
    ASSERT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    ASSERT_EQ(all.identities.size(), 3U);
    expect_same(all, again(all));
}

// Whatever a mistake leaves in force reads back to the same.
TEST(EffectiveConfiguration, reads_back_after_any_single_changed_octet) {
    const std::string text = complete;
    std::size_t readable = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        for (const char octet : {'7', '#', 'm', '\\'}) {
            std::string changed = text;
            changed[i] = octet;
            if (const auto all = read_configuration({{"f", changed}}, facts())) {
                ++readable;
                expect_same(*all, again(*all));
            }
        }
    }
    EXPECT_GT(readable, 1000U);
}

TEST(EffectiveConfiguration, says_where_each_value_comes_from) {
    const std::string text = to_toml(effective(must_read(
        {{"hwenroll.toml", least}, {"conf.d/10.toml", "[agent]\nadmin_group = \"ops\"\n[limits]\nmax_path = 5\n"}})));
    EXPECT_THAT(text, HasSubstr("\nadmin_group = \"ops\"  # conf.d/10.toml:2:15\n"));
    EXPECT_THAT(text, HasSubstr("\nmax_path = 5  # conf.d/10.toml:4:12\n"));
    EXPECT_THAT(text, HasSubstr("\nconnect_timeout = \"10s\"  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nsubject = \"CN=web01\"  # hwenroll.toml:11:11\n"));
    EXPECT_THAT(text, HasSubstr("\npoll.factor = 1.5  # default\n"));
    EXPECT_THAT(text, HasSubstr("\n# pin is not set\n"));
    EXPECT_THAT(to_toml(effective(must_read(complete))), HasSubstr("\npoll.max = \"1min\"  # hwenroll.toml:52:42\n"));
}

TEST(EffectiveConfiguration, a_refused_limit_is_shown_as_the_default_that_takes_its_place) {
    const std::string text = to_toml(effective(must_read(
        "[limits]\nmax_path = 99\nretry_after_min = \"30min\"\nretry_after_max = \"20min\"\nmax_redirects = 1\n")));
    EXPECT_THAT(text, HasSubstr("\nmax_path = 10  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nretry_after_min = \"1s\"  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nretry_after_max = \"1d\"  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nmax_redirects = 1  # hwenroll.toml:5:17\n"));
}

// Every key of design §6 that a valid part can hold is there with its default.
TEST(EffectiveConfiguration, shows_every_default) {
    const std::string text = to_toml(effective(must_read(least)));
    for (const char* line : {"state_dir = \"/var/lib/hwenroll\"",
                             "runtime_dir = \"/run/hwenroll\"",
                             "publish_dir = \"/var/lib/hwenroll/live\"",
                             "admin_group = \"hwenroll-admin\"",
                             "history_keep = \"400d\"",
                             "exchange_timeout = \"1min\"",
                             "max_caps_bytes = 65536",
                             "max_reply_bytes = 1048576",
                             "max_crl_bytes = 16777216",
                             "max_certificates = 64",
                             "max_rsa_bits = 8192",
                             "max_exponent_bits = 33",
                             "max_asn1_depth = 32",
                             "max_path = 10",
                             "max_redirects = 3",
                             "retry_after_min = \"1s\"",
                             "retry_after_max = \"1d\"",
                             "max_pbkdf2 = 10000000",
                             "max_get_url = 8000",
                             "min_lifetime = \"1h\"",
                             "rollover_tolerance = \"1h\"",
                             "clock_skew = \"5min\"",
                             "network = false",
                             "deadline_login = \"30s\"",
                             "deadline_use = \"1min\"",
                             "deadline_generate = \"15min\"",
                             "ra = \"eku\"",
                             "rollover = \"signature\"",
                             "switch_at = \"ca-expiry\"",
                             "http = \"auto\"",
                             "renewal_type = \"auto\"",
                             "renewal_challenge = \"omit\"",
                             "txid = \"random\"",
                             "resync = \"same,poll,new\"",
                             "envelope = \"auto\"",
                             "crl = \"off\"",
                             "challenge_encoding = \"auto\"",
                             "cipher = \"auto\"",
                             "digest = \"auto\"",
                             "key_transport = \"pkcs1\"",
                             "key = \"rsa:2048\"",
                             "key_usage = [\"digitalSignature\", \"keyEncipherment\"]",
                             "renew_at = \"75%\"",
                             "renew_jitter = \"5%\"",
                             "new_key = \"require\"",
                             "poll.start = \"1min\"",
                             "poll.max = \"1h\"",
                             "poll.give_up = \"7d\"",
                             "accept.subject = \"same-rdns\"",
                             "accept.san = \"superset\"",
                             "accept.usage = \"warn\"",
                             "retire_after = \"1d\"",
                             "activate_by = \"10%\"",
                             "mode = \"0644\""}) {
        EXPECT_THAT(text, HasSubstr("\n" + std::string(line) + "  # default\n"));
    }
    for (const char* key :
         {"on_alert", "preset", "identifier", "ra_fingerprints", "next_fingerprint", "legacy", "legacy_until", "proxy",
          "tls_ca", "bind", "verify", "signer", "activate_window", "group"}) {
        EXPECT_THAT(text, HasSubstr("\n# " + std::string(key) + " is not set\n"));
    }
}

TEST(EffectiveConfiguration, leaves_out_what_is_disabled) {
    const std::string text = to_toml(effective(must_read(with_line(least, "subject", "subjct = \"CN=web01\""))));
    EXPECT_THAT(text, HasSubstr("[token.lab]"));
    EXPECT_THAT(text, Not(HasSubstr("[identity")));
}

}  // namespace
}  // namespace hwenroll::config
