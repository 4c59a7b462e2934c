// Names: MSG-22 (repeated to the octet) and what survives servers that re-encode them.
#include "base/distinguished_name.h"

#include <string>

#include <gtest/gtest.h>

namespace hwenroll {
namespace {

DistinguishedName name(std::string_view text) {
    return DistinguishedName::from_text(text).value();
}

/// `text` with every value encoded as `string_type` instead of UTF8String or PrintableString.
DistinguishedName encoded_as(int string_type, const char* type, const std::string& value) {
    const OpenSslPtr<X509_NAME> made(X509_NAME_new());
    X509_NAME_add_entry_by_txt(made.get(), type, string_type, reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
    return DistinguishedName::of(made.get());
}

TEST(DistinguishedName, is_empty_by_default) {
    EXPECT_TRUE(DistinguishedName().empty());
    EXPECT_EQ(DistinguishedName().der(), (Bytes{0x30, 0x00}));
    EXPECT_EQ(DistinguishedName().text(), "");
    EXPECT_FALSE(name("CN=a").empty());
}

TEST(DistinguishedName, keeps_the_order_in_which_it_is_written) {
    EXPECT_EQ(name("CN=web01.example.com,O=Example").text(), "CN=web01.example.com,O=Example");
    EXPECT_FALSE(name("CN=a,O=b") == name("O=b,CN=a"));
}

TEST(DistinguishedName, reads_every_attribute_type_of_the_configuration) {
    const auto read = DistinguishedName::from_text(
        "CN=a,O=b,OU=c,C=DE,ST=d,L=e,STREET=f,DC=g,UID=h,SERIALNUMBER=i,SN=j,GN=k,T=l,E=m@example.com,"
        "emailAddress=n@example.com,1.2.3.4=o");
    ASSERT_TRUE(read.has_value()) << read.error().line();
    EXPECT_EQ(X509_NAME_entry_count(read->to_x509_name().get()), 16);
}

TEST(DistinguishedName, reads_escapes_blanks_and_multi_valued_parts) {
    EXPECT_EQ(name(R"(CN=a\,b\+c,O=d)").text(), R"(CN=a\,b\+c,O=d)");
    EXPECT_EQ(name(" CN = a b , O = c "), name("CN=a b,O=c"));
    const auto multi = name("CN=a+OU=b,O=c");
    const OpenSslPtr<X509_NAME> parts = multi.to_x509_name();
    EXPECT_EQ(X509_NAME_ENTRY_set(X509_NAME_get_entry(parts.get(), 0)),
              X509_NAME_ENTRY_set(X509_NAME_get_entry(parts.get(), 1)));
    EXPECT_NE(X509_NAME_ENTRY_set(X509_NAME_get_entry(parts.get(), 1)),
              X509_NAME_ENTRY_set(X509_NAME_get_entry(parts.get(), 2)));
}

TEST(DistinguishedName, refuses_what_is_no_name_and_says_what_is_wrong) {
    for (const char* text : {"", "CN", "CN=", "=a", "CN=a,", "CN=a,,O=b", "NOSUCH=a", "C=Germany", "1.=a"}) {
        const auto read = DistinguishedName::from_text(text);
        ASSERT_FALSE(read.has_value()) << text;
        EXPECT_EQ(read.error().code(), ErrorCode::config_value) << text;
    }
    EXPECT_NE(DistinguishedName::from_text("NOSUCH=a").error().line().find("NOSUCH"), std::string::npos);
}

TEST(DistinguishedName, repeats_what_it_read_to_the_octet_MSG_22) {
    const DistinguishedName teletex = encoded_as(V_ASN1_T61STRING, "CN", "a");
    const auto again = DistinguishedName::from_der(teletex.der());
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->der(), teletex.der());
    EXPECT_EQ(DistinguishedName::of(again->to_x509_name().get()).der(), teletex.der());
    EXPECT_FALSE(teletex == name("CN=a")) << "another encoding is another name";
}

TEST(DistinguishedName, refuses_DER_that_is_cut_or_has_a_tail) {
    Bytes der = name("CN=a,O=b").der();
    Bytes longer = der;
    longer.push_back(0);
    for (const Bytes& bad : {Bytes(der.begin(), der.end() - 1), longer, Bytes{}, Bytes{0x31, 0x00}}) {
        const auto read = DistinguishedName::from_der(bad);
        ASSERT_FALSE(read.has_value()) << to_hex(bad);
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
    }
}

TEST(DistinguishedName, text_escapes_what_could_mislead_SEC_14) {
    const std::string text = encoded_as(V_ASN1_UTF8STRING, "CN", "a\nb,O=forged").text();
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_NE(text.find(R"(\,O)"), std::string::npos) << text;
}

TEST(DistinguishedName, text_shows_other_scripts_as_they_are) {
    EXPECT_EQ(name("CN=Zürich").text(), "CN=Zürich");
}

TEST(SameRdns, holds_whatever_the_order) {
    EXPECT_TRUE(name("CN=a,O=b,C=DE").same_rdns(name("C=DE,O=b,CN=a")));
    EXPECT_TRUE(name("CN=a").same_rdns(name("CN=a")));
    EXPECT_TRUE(DistinguishedName().same_rdns(DistinguishedName()));
}

TEST(SameRdns, holds_whatever_the_string_type_case_and_blanks) {
    EXPECT_TRUE(name("O=Example Org").same_rdns(encoded_as(V_ASN1_PRINTABLESTRING, "O", "example  ORG")));
    EXPECT_TRUE(encoded_as(V_ASN1_UTF8STRING, "CN", "a").same_rdns(encoded_as(V_ASN1_PRINTABLESTRING, "CN", "a")));
}

TEST(SameRdns, fails_when_a_part_is_added_dropped_repeated_or_changed) {
    const DistinguishedName base = name("CN=a,O=b");
    for (const char* other : {"CN=a", "CN=a,O=b,OU=c", "CN=a,CN=a", "CN=a,O=c", "CN=b,O=a", "CN=a,OU=b"}) {
        EXPECT_FALSE(base.same_rdns(name(other))) << other;
        EXPECT_FALSE(name(other).same_rdns(base)) << other;
    }
    EXPECT_FALSE(name("CN=a,CN=a,O=b").same_rdns(name("CN=a,O=b,O=b"))) << "counts each part once";
}

TEST(SameRdns, does_not_split_a_multi_valued_part) {
    EXPECT_TRUE(name("CN=a+OU=b,O=c").same_rdns(name("O=c,OU=b+CN=a")));
    EXPECT_FALSE(name("CN=a+OU=b,O=c").same_rdns(name("CN=a,OU=b,O=c")));
}

}  // namespace
}  // namespace hwenroll
