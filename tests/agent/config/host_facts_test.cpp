#include "agent/config/host_facts.h"

#include <gtest/gtest.h>

#include "tests/agent/config/sample_configuration.h"

namespace hwenroll::config {
namespace {

TEST(Variables, are_replaced_in_names_subjects_and_alternative_names) {
    const Configuration all = must_read(R"([token.lab]
type = "pkcs11"
module = "/m.so"
uri = "pkcs11:token=lab"
[ca.corp]
url = "http://ca/"
fingerprint = "6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb"
[identity."web-${hostname}"]
ca = "corp"
token = "lab"
subject = "CN=${fqdn},SERIALNUMBER=${machine_id},O=$5"
san = "dns:${fqdn}"
)");
    ASSERT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    const IdentitySettings& web = all.identities.at("web-edge7");
    EXPECT_EQ(web.subject,
              *DistinguishedName::from_text("CN=edge7.example.com,SERIALNUMBER=0123456789abcdef0123456789abcdef,O=$5"));
    EXPECT_EQ(web.subject_alt_names, std::vector<std::string>{"dns:edge7.example.com"});
}

TEST(Variables, F5_two_names_that_become_equal_are_one_identity_defined_twice) {
    const Configuration all = must_read("[identity.edge7]\n[identity.\"${hostname}\"]\n");
    EXPECT_TRUE(all.identities.empty());
    EXPECT_NE(lines_of(all.findings).back().find("is defined here and at"), std::string::npos);
}

TEST(Variables, a_value_cannot_add_to_a_distinguished_name) {
    HostFacts hostile;
    hostile.serial = "A1,CN=admin+OU=\\x";
    const auto text = expand_variables("CN=${serial}", hostile, ExpansionTarget::distinguished_name);
    ASSERT_TRUE(text);
    const auto name = DistinguishedName::from_text(*text);
    ASSERT_TRUE(name);
    EXPECT_EQ(X509_NAME_entry_count(name->to_x509_name().get()), 1);
}

TEST(Variables, an_unknown_or_open_one_disables_the_identity) {
    EXPECT_EQ(only_finding("[identity.\"a-${host}\"]\n"),
              "E-CONFIG-VALUE identity.a-${host}: hwenroll.toml:1:11: the name 'a-${host}' has the unknown variable "
              "'host'; use ${hostname}, ${fqdn}, ${machine_id} or ${serial}");
    EXPECT_EQ(only_finding("[identity.\"a-${host\"]\n"),
              "E-CONFIG-VALUE identity.a-${host: hwenroll.toml:1:11: the name 'a-${host' has '${' without '}'; use "
              "${hostname}, ${fqdn}, ${machine_id} or ${serial}");
    EXPECT_EQ(only_finding("[identity.\"../x\"]\n"),
              "E-CONFIG-VALUE identity.../x: hwenroll.toml:1:11: the name '../x' is not acceptable; use lower-case "
              "letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit");
}

}  // namespace
}  // namespace hwenroll::config
