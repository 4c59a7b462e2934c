#include "agent/config/value_syntax.h"

#include <string>

#include <gtest/gtest.h>

namespace hwenroll::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

TEST(ValueSyntax, reads_durations) {
    EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
    EXPECT_EQ(parse_duration("90s"), milliseconds(90'000));
    EXPECT_EQ(parse_duration("10min"), minutes(10));
    EXPECT_EQ(parse_duration("10m"), minutes(10));
    EXPECT_EQ(parse_duration("24h"), hours(24));
    EXPECT_EQ(parse_duration("30d"), hours(720));
    EXPECT_EQ(parse_duration("2 w"), hours(336));
    EXPECT_EQ(parse_duration("0s"), milliseconds(0));
    EXPECT_EQ(parse_seconds("24h"), Seconds(86'400));
    EXPECT_FALSE(parse_seconds("500ms"));
}

// F11: negative, overflowing and unitless durations.
TEST(ValueSyntax, F11_refuses_durations_that_are_none) {
    for (const char* text : {"", "s", "24", "-1h", "+1h", "1.5h", "24 hours", "1h30m", "99999999999999999999d",
                             "9223372036854775807w", "36526d", "0x10s", " 1s"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
    EXPECT_TRUE(parse_duration("36525d"));
}

TEST(ValueSyntax, reads_percentages_and_points_of_a_lifetime) {
    EXPECT_EQ(parse_percent("75%"), Percent{75});
    EXPECT_FALSE(parse_percent("0%"));
    EXPECT_FALSE(parse_percent("100%"));
    EXPECT_FALSE(parse_percent("75"));
    EXPECT_EQ(parse_lifetime_point("1%"), LifetimePoint(Percent{1}));
    EXPECT_EQ(parse_lifetime_point("30d"), LifetimePoint(Seconds(30 * 86'400)));
    EXPECT_FALSE(parse_lifetime_point("0s"));
    EXPECT_FALSE(parse_lifetime_point("-5%"));
}

TEST(ValueSyntax, reads_sizes) {
    EXPECT_EQ(parse_size("64KiB"), 65'536);
    EXPECT_EQ(parse_size("1 MiB"), 1'048'576);
    EXPECT_EQ(parse_size("1000"), 1000);
    EXPECT_FALSE(parse_size("1GB"));
    EXPECT_FALSE(parse_size("-1"));
    EXPECT_FALSE(parse_size("99999999999999MiB"));
}

TEST(ValueSyntax, reads_dates) {
    using namespace std::chrono;
    EXPECT_EQ(parse_date("2028-02-29"), year(2028) / February / 29);
    for (const char* text : {"2027-02-29", "2027-13-01", "27-01-01", "2027-1-1", "2027/01/01", "", "tomorrow--"}) {
        EXPECT_FALSE(parse_date(text)) << text;
    }
}

constexpr const char* digits = "6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb";

// CACERT-4: tolerant spelling, SHA-256 only.
TEST(Fingerprint, CACERT_4_reads_any_usual_spelling) {
    const auto plain = parse_fingerprint(digits);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->size(), 32U);
    std::string colons;
    std::string blanks;
    for (std::size_t i = 0; i < 64; i += 2) {
        colons += (i == 0 ? "" : ":") + std::string(digits).substr(i, 2);
        blanks += (i == 0 ? "" : i % 8 == 0 ? "  " : " ") + std::string(digits).substr(i, 2);
    }
    std::string upper = colons;
    for (char& c : upper) {
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    EXPECT_EQ(parse_fingerprint(colons), *plain);
    EXPECT_EQ(parse_fingerprint(upper), *plain);
    EXPECT_EQ(parse_fingerprint(blanks), *plain);
    EXPECT_EQ(parse_fingerprint("SHA256:" + upper), *plain);
    EXPECT_EQ(parse_fingerprint("sha-256: " + blanks), *plain);
}

// F9: wrong length, SHA-1 and MD5 by length or by name, no hexadecimal.
TEST(Fingerprint, F9_refuses_what_is_no_SHA_256) {
    const std::string all = digits;
    EXPECT_EQ(parse_fingerprint(all.substr(0, 40)).error().what(), "has the length of SHA-1");
    EXPECT_EQ(parse_fingerprint(all.substr(0, 32)).error().what(), "has the length of MD5");
    EXPECT_EQ(parse_fingerprint("MD5:" + all).error().what(), "is not a SHA-256 fingerprint");
    EXPECT_EQ(parse_fingerprint("SHA1:" + all.substr(0, 40)).error().what(), "is not a SHA-256 fingerprint");
    EXPECT_EQ(parse_fingerprint(all.substr(2)).error().what(),
              "has 62 hexadecimal digits instead of the 64 of SHA-256");
    EXPECT_FALSE(parse_fingerprint(all.substr(1)));
    EXPECT_FALSE(parse_fingerprint("SHA256:"));
    EXPECT_FALSE(parse_fingerprint(""));
    EXPECT_FALSE(parse_fingerprint(std::string(64, 'x')));
}

TEST(SecretSource, reads_the_three_kinds_and_writes_them_back) {
    for (const char* text : {"file:/etc/hwenroll/lab.pin", "credential:lab-pin", "exec:/usr/local/bin/pin"}) {
        const auto source = parse_secret_source(text);
        ASSERT_TRUE(source) << text;
        EXPECT_EQ(source->text(), text);
    }
}

// Invariant 7: whatever is in the place of a source may be the secret.
TEST(SecretSource, never_repeats_what_it_refuses) {
    for (const char* text : {"hunter2-canary", "file:hunter2-canary", "credential:../hunter2-canary",
                             "exec:hunter2-canary --x", "FILE:/hunter2-canary", "file:/a/../hunter2-canary"}) {
        const auto source = parse_secret_source(text);
        ASSERT_FALSE(source) << text;
        EXPECT_EQ(source.error().line().find("canary"), std::string::npos) << source.error().line();
    }
}

// F7: relative paths and '..'.
TEST(ValueSyntax, F7_refuses_paths_that_wander) {
    EXPECT_EQ(parse_path("/var/lib/hwenroll/"), std::filesystem::path("/var/lib/hwenroll"));
    for (const char* text : {"", "var/lib", "/var/../etc", "/var/./lib", "/var/li\nb", "~/x"}) {
        EXPECT_FALSE(parse_path(text)) << text;
    }
}

// SEC-17, HTTP-1.
TEST(Url, SEC_17_takes_http_and_https_only) {
    for (const char* text : {"http://ca.example.com/scep", "https://ca:8443/certsrv/mscep/mscep.dll",
                             "HTTP://[2001:db8::1]:8080/x?profile=a", "http://192.0.2.1"}) {
        EXPECT_TRUE(parse_url(text)) << text;
    }
    for (const char* text : {"", "ca.example.com", "file:///etc/passwd", "ldap://ca/x", "http://", "http:///x",
                             "http://ca:0/", "http://ca:99999/", "http://ca:80:80/", "http://ca/a b", "http://c a/",
                             "http://ca/#x", "http://[::1/", "http://ca\n/", "http", "https", "http:", "http:/"}) {
        EXPECT_FALSE(parse_url(text)) << text;
    }
}

TEST(Url, HTTP_4_of_a_scep_service_names_no_operation_and_the_one_to_write_is_told) {
    for (const auto& [text, good] : {std::pair("http://ca/scep?operation=GetCACert", "http://ca/scep"),
                                     std::pair("http://ca/scep?a=b&Operation=PKIOperation", "http://ca/scep?a=b"),
                                     std::pair("http://ca/scep?operation=GetCACert&message=corp", "http://ca/scep"),
                                     std::pair("http://ca/s?operation=GetCACaps&c=d&e", "http://ca/s?c=d&e")}) {
        const auto url = parse_scep_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().next(), std::string("write ") + good);
        EXPECT_TRUE(parse_scep_url(good)) << good;
    }
    EXPECT_TRUE(parse_scep_url("http://ca/operation=x?message=y"));
    EXPECT_TRUE(parse_scep_url("http://ca/scep?preoperation=x"));
    EXPECT_FALSE(parse_scep_url("ftp://ca/scep"));
}

TEST(Url, refuses_a_password_without_repeating_it) {
    const auto url = parse_url("http://admin:hunter2@ca.example.com/scep");
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().line().find("hunter2"), std::string::npos);
}

TEST(TokenUri, selects_a_token_by_what_stays) {
    for (const char* text : {"pkcs11:token=lab", "pkcs11:serial=01%2023;model=SoftHSM%20v2", "pkcs11:manufacturer=x"}) {
        EXPECT_TRUE(parse_token_uri(text)) << text;
    }
    for (const char* text : {"", "lab", "pkcs11:", "pkcs11:token=", "pkcs11:token", "pkcs11:token=a b",
                             "pkcs11:token=%2", "pkcs11:token=%zz", "pkcs11:colour=red"}) {
        EXPECT_FALSE(parse_token_uri(text)) << text;
    }
}

// H16: nothing in a URI chooses a module, a slot or a PIN.
TEST(TokenUri, H16_refuses_pin_slot_and_module_and_never_repeats_a_pin) {
    for (const char* attribute : {"pin-value=hunter2", "pin-source=hunter2", "slot-id=1", "slot-manufacturer=x",
                                  "module-path=/x", "module-name=x", "library-version=1", "object=k", "id=%01"}) {
        for (const char* separator : {";", "?", "&"}) {
            const auto uri = parse_token_uri(std::string("pkcs11:token=lab") + separator + attribute);
            ASSERT_FALSE(uri) << attribute;
            EXPECT_EQ(uri.error().line().find("hunter2"), std::string::npos) << uri.error().line();
        }
    }
}

TEST(TransactionIdRule, MSG_5_reads_the_four_forms) {
    using Kind = TransactionIdRule::Kind;
    EXPECT_EQ(parse_transaction_id_rule("random")->kind, Kind::random);
    EXPECT_EQ(parse_transaction_id_rule("spki-sha256")->kind, Kind::spki_sha256);
    EXPECT_EQ(parse_transaction_id_rule("spki-sha1")->kind, Kind::spki_sha1);
    EXPECT_EQ(parse_transaction_id_rule("fixed:edge-7")->fixed, "edge-7");
    EXPECT_FALSE(parse_transaction_id_rule("fixed:"));
    EXPECT_FALSE(parse_transaction_id_rule("fixed:a_b"));  // '_' is not in PrintableString
    EXPECT_FALSE(parse_transaction_id_rule("fixed:" + std::string(129, 'a')));
    EXPECT_FALSE(parse_transaction_id_rule("uuid"));
}

TEST(PartName, is_safe_as_a_file_name) {
    EXPECT_TRUE(is_part_name("web"));
    EXPECT_TRUE(is_part_name("0-web_01.example.com"));
    EXPECT_TRUE(is_part_name(std::string(64, 'a')));
    for (const char* text : {"", ".", "..", ".web", "-web", "Web", "we/b", "we b", "wéb", "web\n"}) {
        EXPECT_FALSE(is_part_name(text)) << text;
    }
    EXPECT_FALSE(is_part_name(std::string(65, 'a')));
}

// CSR-3: the kinds of subjectAltName.
TEST(AltName, CSR_3_reads_the_five_kinds) {
    EXPECT_EQ(parse_alt_name("DNS:web01.example.com"), std::string("dns:web01.example.com"));
    for (const char* text : {"dns:*.example.com", "dns:_sip.example.com", "ip:192.0.2.1", "ip:2001:db8::1",
                             "email:ops@example.com", "uri:urn:example:web01", "upn:web01@example.com"}) {
        EXPECT_TRUE(parse_alt_name(text)) << text;
    }
    for (const char* text :
         {"", "web01.example.com", "dns:", "dns:a..b", "dns:-a.example", "dns:a b", "dns:bücher.example",
          "ip:192.0.2.256", "ip:web01", "email:ops", "email:@x", "uri:web01", "upn:web01", "host:web01"}) {
        EXPECT_FALSE(parse_alt_name(text)) << text;
    }
}

TEST(Usage, CSR_4_takes_names_of_end_entities_and_oids) {
    EXPECT_EQ(parse_key_usage("contentCommitment"), std::string("nonRepudiation"));
    EXPECT_TRUE(parse_key_usage("keyAgreement"));
    EXPECT_FALSE(parse_key_usage("keyCertSign"));
    EXPECT_FALSE(parse_key_usage("digitalsignature"));
    EXPECT_TRUE(parse_extended_key_usage("serverAuth"));
    EXPECT_TRUE(parse_extended_key_usage("1.3.6.1.4.1.311.20.2.2"));
    for (const char* text : {"serverauth", "1.3", "3.1.2", "1..3", "1.03.1", "1.3.6.x", ""}) {
        EXPECT_FALSE(parse_extended_key_usage(text)) << text;
    }
}

TEST(ValueSyntax, CSR_5_no_key_below_RSA_2048_and_P_256_can_be_asked_for) {
    for (const char* weak : {"rsa:512", "rsa:1024", "rsa:2047", "ec:p192", "ec:p224", "ec:secp256k1", "dsa:2048"}) {
        EXPECT_FALSE(parse_key(weak)) << weak;
    }
    for (const char* good : {"rsa:2048", "rsa:3072", "rsa:4096", "ec:p256", "ec:p384"}) {
        EXPECT_TRUE(parse_key(good)) << good;
    }
}

TEST(ActivateWindow, reads_days_and_times) {
    const auto sunday = parse_activate_window("Sun 02:00-04:00");
    ASSERT_TRUE(sunday);
    EXPECT_EQ(sunday->days, 1U);
    EXPECT_EQ(sunday->from, hours(2));
    EXPECT_EQ(sunday->to, hours(4));
    const auto nights = parse_activate_window("22:00-06:00");
    ASSERT_TRUE(nights);
    EXPECT_EQ(nights->days, 0x7FU);
    EXPECT_EQ(parse_activate_window("Mon,Fri 00:00-24:00")->days, 0x22U);
    for (const char* text : {"", "Sun", "Sun 2:00-4:00", "Sunday 02:00-04:00", "02:00", "02:00-02:00", "24:00-02:00",
                             "02:60-03:00", "02:00-25:00", "Sun,02:00-04:00", "02:00-00:00"}) {
        EXPECT_FALSE(parse_activate_window(text)) << text;
    }
}

TEST(ValueSyntax, reads_modes_that_keep_others_from_writing) {
    EXPECT_EQ(parse_mode("0644"), 0644U);
    EXPECT_EQ(parse_mode("640"), 0640U);
    for (const char* text : {"", "0666", "0755", "0044", "01644", "abc", "0888", "64"}) {
        EXPECT_FALSE(parse_mode(text)) << text;
    }
}

TEST(ValueSyntax, reads_groups_hosts_and_bindings) {
    EXPECT_TRUE(parse_group("www-data"));
    EXPECT_FALSE(parse_group("1www"));
    EXPECT_FALSE(parse_group(""));
    EXPECT_FALSE(parse_group("a:b"));
    EXPECT_TRUE(parse_host_port("127.0.0.1:443"));
    EXPECT_TRUE(parse_host_port("[::1]:443"));
    EXPECT_FALSE(parse_host_port("127.0.0.1"));
    EXPECT_FALSE(parse_host_port(":443"));
    EXPECT_TRUE(parse_bind("mgmt0"));
    EXPECT_TRUE(parse_bind("2001:db8::1234:5678:9abc"));
    EXPECT_FALSE(parse_bind("../etc"));
    EXPECT_FALSE(parse_bind(""));
}

}  // namespace
}  // namespace hwenroll::config
