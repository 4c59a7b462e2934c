#include "transport/scep/operation_url.h"

#include <gtest/gtest.h>

namespace hwenroll::scep {
namespace {

TEST(OperationUrl, HTTP_1_the_operation_is_in_the_query) {
    EXPECT_EQ(operation_url("http://ca.example.com/scep", Operation::get_ca_caps, ""),
              "http://ca.example.com/scep?operation=GetCACaps");
    EXPECT_EQ(operation_url("http://ca.example.com/scep", Operation::get_ca_cert, ""),
              "http://ca.example.com/scep?operation=GetCACert");
    EXPECT_EQ(operation_url("http://ca.example.com/scep", Operation::get_next_ca_cert, ""),
              "http://ca.example.com/scep?operation=GetNextCACert");
    EXPECT_EQ(operation_url("https://ca/certsrv/mscep/mscep.dll", Operation::pki_operation, ""),
              "https://ca/certsrv/mscep/mscep.dll?operation=PKIOperation");
}

TEST(OperationUrl, HTTP_4_an_existing_query_stays) {
    EXPECT_EQ(operation_url("http://ca/scep?profile=tls", Operation::get_ca_caps, ""),
              "http://ca/scep?profile=tls&operation=GetCACaps");
    EXPECT_EQ(operation_url("http://ca/scep?profile=tls&", Operation::get_ca_caps, ""),
              "http://ca/scep?profile=tls&operation=GetCACaps");
    EXPECT_EQ(operation_url("http://ca/scep?", Operation::get_ca_caps, ""), "http://ca/scep?operation=GetCACaps");
    EXPECT_EQ(operation_url("http://ca/scep/", Operation::get_ca_caps, ""), "http://ca/scep/?operation=GetCACaps");
    EXPECT_EQ(operation_url("http://ca/scep#top", Operation::get_ca_caps, ""), "http://ca/scep?operation=GetCACaps");
}

TEST(OperationUrl, HTTP_6_Q_EJBCA_1_an_identifier_is_percent_encoded_text) {
    EXPECT_EQ(operation_url("http://ca/scep", Operation::get_ca_cert, "My CA/1+\xC3\xA4~"),
              "http://ca/scep?operation=GetCACert&message=My%20CA%2F1%2B%C3%A4~");
    EXPECT_EQ(operation_url("http://ca/ejbca/publicweb/apply/scep/vpn/pkiclient.exe", Operation::get_ca_cert, ""),
              "http://ca/ejbca/publicweb/apply/scep/vpn/pkiclient.exe?operation=GetCACert")
        << "none unless there is one";
}

TEST(OperationUrl, HTTP_11_a_message_by_GET_is_standard_base64_and_then_percent_encoded) {
    const Bytes message{0xFB, 0xFF, 0xBF, 0x00};  // "+/+/AA==" in base64
    EXPECT_EQ(pki_operation_get_url("http://ca/scep", message),
              "http://ca/scep?operation=PKIOperation&message=%2B%2F%2B%2FAA%3D%3D");
}

TEST(OperationUrl, HTTP_11_N13_Q_FLEET_1_a_long_message_has_no_line_breaks_or_unescaped_characters) {
    const std::string url = pki_operation_get_url("http://ca/scep", Bytes(5000, 0xFB));
    const std::string message = url.substr(url.find("message=") + 8);
    EXPECT_EQ(message.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%"),
              std::string::npos);
    EXPECT_EQ(message.find("%0A"), std::string::npos);
}

}  // namespace
}  // namespace hwenroll::scep
