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
    {"later_key_type", "subject", "subject = \"CN=a\"\nkey = \"ec:p256\"",
     "E-CONFIG-UNSUPPORTED identity.web: hwenroll.toml:12:7: 'key' asks for \"ec:p256\", which is not available in "
     "this "
     "version; use \"rsa:2048\" or \"rsa:3072\""},
    {"later_existing_key", "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:id=%9a\"",
     "E-CONFIG-UNSUPPORTED identity.web: hwenroll.toml:12:7: 'key' asks for \"existing:pkcs11:id=%9a\", which is not "
     "available in this version; use \"rsa:2048\" or \"rsa:3072\""},
    {"weak_key", "subject", "subject = \"CN=a\"\nkey = \"rsa:1024\"",
     "E-CONFIG-VALUE identity.web: hwenroll.toml:12:7: 'key' does not know \"rsa:1024\"; use \"rsa:2048\" or "
     "\"rsa:3072\""},
    {"later_signer", "subject", "subject = \"CN=a\"\nsigner = { token = \"tpm\" }",
     "E-CONFIG-UNSUPPORTED identity.web: hwenroll.toml:12:10: 'signer' is not available in this version; remove the "
     "key"},
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
    {"token_type", "type", "type = \"tpm2\"",
     "E-CONFIG-UNSUPPORTED token.lab: hwenroll.toml:2:8: 'type' asks for \"tpm2\", which is not available in this "
     "version; use \"pkcs11\""},
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
    {"later_preset", "url", "url = \"http://ca/\"\npreset = \"ndes\"",
     "E-CONFIG-UNSUPPORTED ca.corp: hwenroll.toml:7:10: 'preset' is not available in this version; remove the key"},
    {"later_envelope", "url", "url = \"http://ca/\"\nenvelope = \"password\"",
     "E-CONFIG-UNSUPPORTED ca.corp: hwenroll.toml:7:12: 'envelope' asks for \"password\", which is not available in "
     "this version; use \"auto\""},
    {"later_rollover", "url", "url = \"http://ca/\"\nrollover = \"operator\"",
     "E-CONFIG-UNSUPPORTED ca.corp: hwenroll.toml:7:12: 'rollover' asks for \"operator\", which is not available in "
     "this version; use \"signature\""},
    {"later_crl", "url", "url = \"http://ca/\"\ncrl = \"scep\"",
     "E-CONFIG-UNSUPPORTED ca.corp: hwenroll.toml:7:7: 'crl' asks for \"scep\", which is not available in this "
     "version; use \"off\""},
    {"later_ra", "url", "url = \"http://ca/\"\nra = \"pinned\"",
     "E-CONFIG-UNSUPPORTED ca.corp: hwenroll.toml:7:6: 'ra' asks for \"pinned\", which is not available in this "
     "version; use \"eku\""},
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
