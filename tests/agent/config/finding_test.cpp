#include "agent/config/finding.h"

#include <gtest/gtest.h>

#include "tests/agent/config/sample_configuration.h"

namespace hwenroll::config {
namespace {

// One row for each kind of finding: the line that is replaced in `least`, the new line, and the whole message.
struct Fault {
    const char* name;
    const char* replaced;
    const char* line;
    const char* message;
};

void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

class FindingText : public testing::TestWithParam<Fault> {};

TEST_P(FindingText, F2_say_where_what_and_what_next) {
    const Fault& fault = GetParam();
    const Configuration all = must_read(with_line(least, fault.replaced, fault.line));
    ASSERT_FALSE(all.findings.empty());
    EXPECT_EQ(lines_of(all.findings).front(), fault.message);
    // Only the part itself is disabled, and an identity that needs it.
    const Finding& first = all.findings.front();
    EXPECT_EQ(all.tokens.contains("lab"), first.part != Part::token);
    EXPECT_EQ(all.authorities.contains("corp"), first.part != Part::authority);
    EXPECT_EQ(all.identities.contains("web"), first.part == Part::limits || first.part == Part::file);
    EXPECT_TRUE(all.is_disabled(first.part, first.name));
    EXPECT_EQ(first.error.info().exit_code, 78);
}

const Fault faults[] = {
    {"missing_key", "subject", "subjct = \"CN=web01\"",
     "E-CONFIG-MISSING identity.web: hwenroll.toml:8:11: [identity.web] has no 'subject'; add a line like subject = "
     "\"CN=web01.example.com,O=Example\""},
    {"unknown_key_suggested", "subject", "subject = \"CN=a\"\nkeyusage = []",
     "E-CONFIG-KEY identity.web: hwenroll.toml:12:1: [identity.web] has no key 'keyusage'; did you mean 'key_usage'?"},
    {"unknown_key_far", "subject", "subject = \"CN=a\"\nzzzzzzzz = 1",
     "E-CONFIG-KEY identity.web: hwenroll.toml:12:1: [identity.web] has no key 'zzzzzzzz'; correct the key and run "
     "'hwenroll check-config'"},
    {"unknown_inner_key", "subject", "subject = \"CN=a\"\nverify = { tsl = \"h:1\" }",
     "E-CONFIG-KEY identity.web: hwenroll.toml:12:12: 'verify' of [identity.web] has no key 'tsl'; did you mean "
     "'tls'?"},
    {"wrong_type", "subject", "subject = 7",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:11:11: 'subject' holds an integer instead of a string; correct the "
     "value and run 'hwenroll check-config'"},
    {"bad_name", "subject", "subject = \"web01\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:11:11: 'subject' is not acceptable: the name 'web01' has a part "
     "without TYPE=value; write it as in CN=web01.example.com,O=Example"},
    {"bad_choice", "subject", "subject = \"CN=a\"\nnew_key = \"maybe\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:11: 'new_key' does not know \"maybe\"; use \"require\" or "
     "\"prefer\" or \"reuse\""},
    {"weak_key", "subject", "subject = \"CN=a\"\nkey = \"rsa:1024\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' does not know \"rsa:1024\"; use \"rsa:2048\", "
     "\"rsa:3072\", \"rsa:4096\", \"ec:p256\", \"ec:p384\", \"existing:pkcs11:id=…\" or \"existing:handle:0x…\""},
    {"handle_of_signer", "subject",
     "subject = \"CN=a\"\nsigner = { token = \"lab\", key = \"existing:handle:0x81010001\", cert = \"/a\" }",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:33: 'key' names a handle of a TPM, and [token.lab] is of type "
     "\"pkcs11\"; name an object, as in existing:pkcs11:id=%9a, or a token of type \"tpm2\""},
    {"range", "subject", "subject = \"CN=a\"\nretire_after = \"400d\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:16: 'retire_after' is not from 0 s to 366 d; correct the value and "
     "run 'hwenroll check-config'"},
    {"bad_alt_name_in_list", "subject", "subject = \"CN=a\"\nsan = [\"dns:a\",\n  \"ip:x\"]",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:13:3: 'san' has the name 'ip:x', which is not of its kind; write it "
     "as in ip:192.0.2.1"},
    {"unknowable_variable", "subject", "subject = \"CN=${serial}\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:11:11: 'subject' needs 'serial', which this machine does not tell; "
     "write the value itself or use another variable"},
    {"command_without_list", "subject", "subject = \"CN=a\"\non_change = [\"/bin/true\"]",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:14: 'on_change' holds a string instead of a list of a program and "
     "its arguments, e.g. [\"/usr/bin/systemctl\", \"reload\", \"nginx\"]; correct the value and run 'hwenroll "
     "check-config'"},
    {"relative_command", "subject", "subject = \"CN=a\"\non_change = [[\"true\"]]",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:14: 'on_change' names no program by an absolute path; correct the "
     "value and run 'hwenroll check-config'"},
    {"poll_order", "subject", "subject = \"CN=a\"\npoll = { start = \"2h\" }",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:8: 'poll' of [identity.web] is not in the order start, max, "
     "give_up; correct the value and run 'hwenroll check-config'"},
    {"undefined_ca", "ca = ", "ca = \"corb\"",
     "E-CONFIG-REFERENCE identity.web: hwenroll.toml:9:6: there is no [ca.corb]; did you mean 'corp'?"},
    {"undefined_token", "token = ", "token = \"elsewhere\"",
     "E-CONFIG-REFERENCE identity.web: hwenroll.toml:10:9: there is no [token.elsewhere]; define it or correct the "
     "name"},
    {"ec_without_envelope", "subject", "subject = \"CN=a\"\nkey = \"ec:p256\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' is an EC key, and [ca.corp] does not say how replies "
     "reach one (SCEP encrypts the reply for the key that asked, and an EC key cannot decrypt); ask the CA's operator "
     "which of the three it does and set 'envelope' of [ca.corp] to \"agree\" (ECDH with the EC key), \"password\" "
     "(under the challenge) or \"token-rsa\" (to an RSA key beside it on the token), or use \"rsa:2048\""},
    {"handle_on_pkcs11", "subject", "subject = \"CN=a\"\nkey = \"existing:handle:0x81010001\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' names a handle of a TPM, and [token.lab] is of type "
     "\"pkcs11\"; name an object, as in existing:pkcs11:id=%9a, or a token of type \"tpm2\""},
    {"ALG_10_cipher_below_the_floor", "url", "url = \"http://ca/\"\ncipher = \"des3\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:10: 'cipher' is \"des3\", and 'legacy' does not permit it (it is weaker "
     "than what every CA has to offer); add \"des3\" to 'legacy', with 'legacy_until'"},
    {"ALG_10_digest_below_the_floor", "url", "url = \"http://ca/\"\ndigest = \"sha1\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:10: 'digest' is \"sha1\", and 'legacy' does not permit it (it is weaker "
     "than what every CA has to offer); add \"sha1-request\" to 'legacy', with 'legacy_until'"},
    {"unknown_cipher", "url", "url = \"http://ca/\"\ncipher = \"des\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:10: 'cipher' does not know \"des\"; use \"auto\" "
     "or "
     "\"aes128\" or \"aes192\" or \"aes256\" or \"des3\""},
    {"key_misspelled", "subject", "subject = \"CN=a\"\nkey = \"rsa2048\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' does not know \"rsa2048\"; did you mean \"rsa:2048\"? use "
     "\"rsa:2048\", \"rsa:3072\", \"rsa:4096\", \"ec:p256\", \"ec:p384\", \"existing:pkcs11:id=…\" or "
     "\"existing:handle:0x…\""},
    {"key_scheme_misspelled", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs1:id=%9a\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' does not know \"existing:pkcs1:id=%9a\"; did you mean "
     "\"existing:pkcs11:\"? use \"rsa:2048\", \"rsa:3072\", \"rsa:4096\", \"ec:p256\", \"ec:p384\", "
     "\"existing:pkcs11:id=…\" or \"existing:handle:0x…\""},
    {"existing_without_name", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:type=private\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' names no key; write it as in existing:pkcs11:id=%9a or "
     "existing:pkcs11:object=web; 'hwenroll token keys' shows ids and labels"},
    {"existing_with_token", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:token=lab;id=%9a\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' holds 'token'; the token is named by 'token', the key by "
     "id= and object= alone; write it as in existing:pkcs11:id=%9a or existing:pkcs11:object=web; 'hwenroll token "
     "keys' shows ids and labels"},
    {"existing_bad_percent", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:id=%9\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' is no pkcs11: URI (RFC 7512) after 'existing:'; write it "
     "as in existing:pkcs11:id=%9a or existing:pkcs11:object=web; 'hwenroll token keys' shows ids and labels"},
    {"handle_not_persistent", "subject", "subject = \"CN=a\"\nkey = \"existing:handle:0x80000001\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' names no persistent handle of a TPM; write one from "
     "0x81000000 to 0x81ffffff, as in existing:handle:0x81010001"},
    {"existing_with_new_key", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:id=%9a\"\nnew_key = \"require\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:13:11: 'new_key' asks for new keys, but 'key' names an existing one; "
     "use \"reuse\", or a key that is generated, as in key = \"rsa:2048\""},
    {"verify_both", "subject", "subject = \"CN=a\"\nverify = { tls = \"h:1\", command = [\"/bin/true\"] }",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:35: 'command' is set beside 'tls'; keep one of the two"},
    {"verify_empty", "subject", "subject = \"CN=a\"\nverify = {}",
     "E-CONFIG-MISSING identity.web: hwenroll.toml:12:10: 'verify' of [identity.web] has neither 'tls' nor 'command'; "
     "write it as in verify = { tls = \"127.0.0.1:443\" }"},
    {"signer_without_cert", "subject",
     "subject = \"CN=a\"\nsigner = { token = \"lab\", key = \"existing:pkcs11:id=%01\" }",
     "E-CONFIG-MISSING identity.web: hwenroll.toml:12:10: 'signer' of [identity.web] has no 'cert'; add a line like "
     "cert = \"/etc/idevid.pem\""},
    {"preset_misspelled", "url", "url = \"http://ca/\"\npreset = \"nedes\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:10: 'preset' does not know \"nedes\"; use \"cisco-ios\" or \"ndes\""},
    {"url_with_an_operation", "url", "url = \"http://ca/scep?operation=GetCACert\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:6:7: 'url' names one operation of SCEP, and each request adds its own; "
     "write http://ca/scep"},
    {"ra_pinned_without_pins", "url", "url = \"http://ca/\"\nra = \"pinned\"",
     "E-CONFIG-MISSING ca.corp: hwenroll.toml:5:5: [ca.corp] has ra = \"pinned\" but no 'ra_fingerprints'; add a line "
     "like ra_fingerprints = \"SHA256:…\""},
    {"pins_without_ra_pinned", "url",
     "url = \"http://ca/\"\nra_fingerprints = \"6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:19: 'ra_fingerprints' counts only with ra = \"pinned\"; add ra = "
     "\"pinned\" or remove the key"},
    {"ra_pin_short", "url", "url = \"http://ca/\"\nra_fingerprints = [\"6f2b\"]\nra = \"pinned\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:20: 'ra_fingerprints' has 4 hexadecimal digits instead of the 64 of "
     "SHA-256; copy the whole fingerprint"},
    {"rollover_without_pin", "url", "url = \"http://ca/\"\nrollover = \"fingerprint\"",
     "E-CONFIG-MISSING ca.corp: hwenroll.toml:5:5: [ca.corp] has rollover = \"fingerprint\" but no 'next_fingerprint'; "
     "add a line like next_fingerprint = \"SHA256:…\""},
    {"envelope_misspelled", "url", "url = \"http://ca/\"\nenvelope = \"pasword\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:12: 'envelope' does not know \"pasword\"; use \"auto\" or \"password\" "
     "or \"token-rsa\" or \"agree\""},
    {"bad_bind", "url", "url = \"http://ca/\"\nbind = \"no such interface\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:8: 'bind' is neither an address nor the name of an interface; correct "
     "the value and run 'hwenroll check-config'"},
    {"bad_tls_ca", "url", "url = \"http://ca/\"\ntls_ca = \"ca.pem\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:10: 'tls_ca' is no absolute path; write a path that begins with /"},
    {"preset_url", "url", "preset = \"ndes\"\nurl = \"a b\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:7: 'url' is neither a full URL nor a host; write it as in ca.example.com "
     "or http://ca.example.com/scep"},
    {"token_type_misspelled", "type", "type = \"pkcs1\"",
     "E-CONFIG-VALUE token.lab: hwenroll.toml:2:8: 'type' does not know \"pkcs1\"; use \"pkcs11\" or \"tpm2\""},
    {"tpm2_key_of_pkcs11", "uri", "uri = \"pkcs11:token=lab\"\ntcti = \"device:/dev/tpmrm0\"",
     "E-CONFIG-KEY token.lab: hwenroll.toml:5:8: 'tcti' is a key of tokens of type \"tpm2\"; remove the key or change "
     "'type'"},
    {"module_path", "module", "module = \"libsofthsm2.so\"",
     "E-CONFIG-VALUE token.lab: hwenroll.toml:3:10: 'module' is no absolute path; write a path that begins with /"},
    {"pin_in_uri", "uri", "uri = \"pkcs11:token=lab?pin-value=hunter2\"",
     "E-CONFIG-VALUE token.lab: hwenroll.toml:4:7: 'uri' holds pin-value; write it as in pkcs11:token=lab or "
     "pkcs11:serial=0123456789; 'hwenroll token list' shows the tokens, the PIN goes into 'pin'"},
    {"pin_itself", "uri", "uri = \"pkcs11:token=lab\"\npin = \"hunter2\"",
     "E-CONFIG-VALUE token.lab: hwenroll.toml:5:7: 'pin' does not say where to read the secret; write file:/path, "
     "credential:NAME or exec:/path; the secret itself does not belong in the configuration"},
    {"missing_fingerprint", "fingerprint", "",
     "E-CONFIG-MISSING ca.corp: hwenroll.toml:5:5: [ca.corp] has no 'fingerprint' (without it any server could pose as "
     "the CA); ask the CA's operator for the SHA-256 of its certificate, compare with 'hwenroll ca show URL' and add "
     "fingerprint = \"SHA256:…\""},
    {"md5", "fingerprint", "fingerprint = \"MD5:00112233445566778899aabbccddeeff\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:15: 'fingerprint' is not a SHA-256 fingerprint; SHA-1 and MD5 are not "
     "accepted; ask the CA's operator for the SHA-256 of the certificate"},
    {"no_fingerprint_in_list", "fingerprint", "fingerprint = []",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:15: 'fingerprint' pins no certificate; correct the value and run "
     "'hwenroll check-config'"},
    {"bad_url", "url", "url = \"ldap://ca\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:6:7: 'url' is no http: or https: URL; write a full URL as in "
     "http://ca.example.com/scep"},
    {"legacy_without_end", "url", "url = \"http://ca/\"\nlegacy = [\"des3\"]",
     "E-CONFIG-MISSING ca.corp: hwenroll.toml:7:10: 'legacy' has no end (weak algorithms are allowed only until a "
     "date); add a line like legacy_until = \"2027-12-31\""},
    {"end_without_legacy", "url", "url = \"http://ca/\"\nlegacy_until = \"2027-12-31\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:7:16: 'legacy_until' has no 'legacy' to end; remove it or add 'legacy'"},
    {"bad_date", "url", "url = \"http://ca/\"\nlegacy = [\"des3\"]\nlegacy_until = \"2027-02-30\"",
     "E-CONFIG-VALUE ca.corp: hwenroll.toml:8:16: 'legacy_until' is a day that does not exist; write a day of the "
     "calendar as in 2027-12-31"},
    {"unknown_section", "[identity.web]", "[limit]\n[identity.web]",
     "E-CONFIG-KEY configuration: hwenroll.toml:8:2: 'limit' is no section of the configuration; did you mean "
     "'limits'?"},
    {"nameless_section", "[token.lab]", "[identity]\nca = \"corp\"\n[token.lab]",
     "E-CONFIG-VALUE configuration: hwenroll.toml:2:1: 'identity' has 'ca' outside of a named section; write "
     "[identity.NAME] on a line of its own"},
    {"bad_limit", "[identity.web]", "[limits]\nmax_certificates = 0\n[identity.web]",
     "E-CONFIG-VALUE limits: hwenroll.toml:9:20: 'max_certificates' is 0, which is not from 1 to 1024; correct the "
     "value and run 'hwenroll check-config'"},
};

INSTANTIATE_TEST_SUITE_P(All, FindingText, testing::ValuesIn(faults),
                         [](const testing::TestParamInfo<Fault>& row) { return row.param.name; });

}  // namespace
}  // namespace hwenroll::config
