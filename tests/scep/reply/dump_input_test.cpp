// Whatever `scep decode` may be given: every kind of message, in every form in which people save one, whole and cut.
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/cms.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/reply/reply_forge.h"
#include "transport/scep/message_dump.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::world;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const MessageDump& dump) {
    std::string text = dump.kind + '\n';
    for (const DumpLine& line : dump.lines) {
        text += std::string(static_cast<std::size_t>(line.level) * 2, ' ') + line.name + ": " + line.value + '\n';
    }
    return text;
}

std::string dumped(ByteView body, EVP_PKEY* key = nullptr) {
    const auto result = dump(body, key, {});
    EXPECT_TRUE(result) << result.error().line();
    return result ? text_of(*result) : std::string();
}

std::string refused(ByteView body) {
    const auto result = dump(body, nullptr, {});
    EXPECT_FALSE(result) << text_of(*result);
    return result ? std::string() : result.error().line();
}

Bytes der(CMS_ContentInfo* cms) {
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms, out); });
}

Bytes message_of_type(MessageType type, const Bytes& content) {
    return sign_message({type,
                         world().expectation.transaction_id,
                         {},
                         seal(content, world().ca, ContentCipher::aes128).value(),
                         world().request_signer,
                         Digest::sha256,
                         std::nullopt},
                        world().client_key.get())
        .value();
}

OpenSslPtr<X509_CRL> revocation_list() {
    OpenSslPtr<X509_CRL> list(X509_CRL_new());
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(world().ca.get()));
    X509_CRL_set1_lastUpdate(list.get(), to_asn1_time(test::present()).get());
    X509_CRL_set1_nextUpdate(list.get(), to_asn1_time(test::present() + std::chrono::days(7)).get());
    const OpenSslPtr<ASN1_INTEGER> number(ASN1_INTEGER_new());
    ASN1_INTEGER_set(number.get(), 0x2A);
    X509_CRL_add1_ext_i2d(list.get(), NID_crl_number, number.get(), 0, 0);
    X509_CRL_sign(list.get(), world().ca_key.get(), EVP_sha256());
    return list;
}

Bytes revocation_list_der() {
    const auto list = revocation_list();
    return der_of([&](unsigned char** out) { return i2d_X509_CRL(list.get(), out); });
}

/// A degenerate SignedData with the CA's certificate and its CRL.
Bytes set_with_crl() {
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_ContentInfo_new());
    CMS_SignedData_init(cms.get());
    CMS_add1_cert(cms.get(), world().ca.get());
    CMS_add1_crl(cms.get(), revocation_list().get());
    return der(cms.get());
}

TEST(DumpInput, MSG_23_a_GetCert_and_a_GetCRL_say_which_certificate_is_meant) {
    const Bytes names = asn1::sequence({world().ca.subject().der(), asn1::value(0x02, {Bytes{0x12, 0x34, 0x56}})});
    for (const auto& [type, kind] : std::vector<std::pair<MessageType, const char*>>{
             {MessageType::get_cert, "pkiMessage GetCert"}, {MessageType::get_crl, "pkiMessage GetCRL"}}) {
        const std::string text = dumped(message_of_type(type, names), world().ca_key.get());
        EXPECT_THAT(text, AllOf(HasSubstr(kind), HasSubstr("issuer: " + world().ca.subject().text()),
                                HasSubstr("serial: 123456")));
    }
}

TEST(DumpInput, DEG_1_CRLs_of_a_set_are_shown) {
    const std::string text = dumped(set_with_crl());
    EXPECT_THAT(text, AllOf(HasSubstr("GetCACert set"), HasSubstr("CRLs: 1"), HasSubstr("CRL number: 2A"),
                            HasSubstr("revoked certificates: 0"), HasSubstr("issuer: " + world().ca.subject().text()),
                            HasSubstr("this update: " + to_iso8601(test::present()))));
    const std::string sealed = dumped(message_of_type(MessageType::get_crl, set_with_crl()), world().ca_key.get());
    EXPECT_THAT(sealed, AllOf(HasSubstr("content: set of certificates"), HasSubstr("CRL number: 2A")));
}

TEST(DumpInput, a_bare_CRL_is_shown) {
    EXPECT_THAT(dumped(revocation_list_der()),
                AllOf(testing::StartsWith("CRL\n"), HasSubstr("CRL number: 2A"), HasSubstr("next update: ")));
}

TEST(DumpInput, ROLL_5_the_certificates_inside_a_nested_GetNextCACert_are_shown) {
    const Bytes inner = test::certificates_only({world().ca});
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(inner.data(), static_cast<int>(inner.size())));
    const OpenSslPtr<CMS_ContentInfo> cms(
        CMS_sign(world().ra.get(), world().ra_key.get(), nullptr, in.get(), CMS_BINARY));
    const std::string text = dumped(der(cms.get()));
    EXPECT_THAT(text, AllOf(HasSubstr("GetNextCACert"), HasSubstr("content: set of certificates"),
                            HasSubstr("subject: " + world().ca.subject().text())));
}

TEST(DumpInput, ENV_12_ENV_14_recipients_of_other_kinds_are_named_and_not_opened) {
    const test::Key ec = test::new_ec_key();
    const Certificate ec_certificate = test::self_signed({.subject = "CN=ec", .extensions = {}}, ec);
    const std::string content = "messageData";
    const auto envelope_for = [&](const std::function<void(CMS_ContentInfo*)>& add) {
        const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
        const OpenSslPtr<CMS_ContentInfo> cms(
            CMS_encrypt(nullptr, in.get(), EVP_aes_128_cbc(), CMS_BINARY | CMS_PARTIAL));
        add(cms.get());
        EXPECT_EQ(CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY), 1);
        return der(cms.get());
    };
    const Bytes agreed =
        envelope_for([&](CMS_ContentInfo* cms) { CMS_add1_recipient_cert(cms, ec_certificate.get(), 0); });
    const Bytes by_password = envelope_for([](CMS_ContentInfo* cms) {
        auto* password = static_cast<unsigned char*>(OPENSSL_memdup("canary-secret", 13));
        CMS_add0_recipient_password(cms, -1, NID_id_alg_PWRI_KEK, NID_undef, password, 13, nullptr);
    });
    for (const auto& [body, kind] :
         std::vector<std::pair<Bytes, const char*>>{{agreed, "agreement"}, {by_password, "password"}}) {
        const std::string text = dumped(body, world().ca_key.get());
        EXPECT_THAT(text, AllOf(testing::StartsWith("envelope\n"), ContainsRegex(std::string("recipient: .*") + kind),
                                HasSubstr("not opened: no recipient by key transport"), HasSubstr("cipher: "),
                                Not(HasSubstr("canary"))));
    }
}

std::string wrapped(const std::string& base64, std::size_t width) {
    std::string out;
    for (std::size_t at = 0; at < base64.size(); at += width) {
        out += base64.substr(at, width) + "\r\n";
    }
    return out;
}

std::string escaped(const std::string& base64) {
    std::string out;
    for (const char c : base64) {
        out += c == '+' ? "%2B" : c == '/' ? "%2f" : c == '=' ? "%3D" : std::string(1, c);
    }
    return out;
}

TEST(DumpInput, HTTP_11_a_message_is_read_from_every_text_in_which_it_is_found) {
    const Bytes message = test::capture("step-aes.64.req.der");
    const std::string base64 = to_base64(message);
    std::string url_alphabet = base64;
    std::ranges::replace(url_alphabet, '+', '-');
    std::ranges::replace(url_alphabet, '/', '_');
    url_alphabet.erase(url_alphabet.find_last_not_of('=') + 1);
    const std::string request = "GET /scep?operation=PKIOperation&message=" + escaped(base64);
    const std::vector<std::pair<std::string, const char*>> cases{
        {base64, "base64"},
        {wrapped(base64, 76), "base64"},
        {url_alphabet, "base64"},
        {escaped(base64), "base64"},
        {"http://ca.example.com/scep?message=" + escaped(base64) + "&operation=PKIOperation", "the message of a GET"},
        {request + " HTTP/1.1\r\nHost: ca\r\n\r\n", "the message of a GET"},
        {"-----BEGIN PKCS7-----\n" + wrapped(base64, 64) + "-----END PKCS7-----\n", "PEM (PKCS7)"},
        {"Some words\n-----BEGIN CMS-----\n" + wrapped(base64, 64) + "-----END CMS-----\n", "PEM (CMS)"}};
    const std::string plain = dumped(message);
    const std::string body = plain.substr(plain.find('\n') + 1);
    for (const auto& [text, form] : cases) {
        SCOPED_TRACE(text.substr(0, 60));
        EXPECT_EQ(dumped(as_bytes(text)), "pkiMessage PKCSReq\nread from: " + std::string(form) + '\n' + body);
    }
}

TEST(DumpInput, PEM_of_a_certificate_a_CSR_and_a_CRL) {
    const auto pem = [](const char* label, ByteView octets) {
        return std::string("-----BEGIN ") + label + "-----\n" + wrapped(to_base64(octets), 64) + "-----END " + label +
               "-----\n";
    };
    EXPECT_THAT(dumped(as_bytes(pem("CERTIFICATE", world().ca.der()))), testing::StartsWith("certificate\nread from"));
    EXPECT_THAT(dumped(test::capture("r.csr")), testing::StartsWith("CSR\nread from: PEM (CERTIFICATE REQUEST)\n"));
    EXPECT_THAT(dumped(as_bytes(pem("X509 CRL", revocation_list_der()))), testing::StartsWith("CRL\nread from"));
}

TEST(DumpInput, text_that_cannot_be_decoded_is_located) {
    const std::string base64 = to_base64(test::capture("step-aes.64.req.der"));
    EXPECT_THAT(refused(as_bytes("-----BEGIN CMS-----\nMIIB")), HasSubstr("octet 24: the PEM block does not end"));
    EXPECT_THAT(refused(as_bytes("x?message=MI*B")), HasSubstr("octet 12: a character that is not of base64"));
    EXPECT_THAT(refused(as_bytes("x?message=")), HasSubstr("octet 10: "));
    EXPECT_THAT(refused(as_bytes(base64.substr(0, 401))), HasSubstr("octet "));
    EXPECT_THAT(refused(as_bytes(base64.substr(0, 400))), AllOf(HasSubstr("octet "), HasSubstr("(of base64)")));
    EXPECT_THAT(refused(as_bytes("-----BEGIN \x1b[2J-----\nQUJD\n-----END x-----")),
                AllOf(HasSubstr("octet 0"), Not(HasSubstr("\x1b"))));
}

/// Bodies that are one BER value from their first octet to their last.
class CutCapture : public ::testing::TestWithParam<const char*> {};

TEST_P(CutCapture, SEC_18_at_each_octet_is_an_error_with_an_offset_and_a_reason) {
    const Bytes body = test::capture(GetParam());
    ASSERT_TRUE(dump(body, nullptr, {}));
    const std::regex located("octet [0-9]+[^:]*: [^ ].*");
    for (std::size_t size = 0; size < body.size(); ++size) {
        const auto result = dump(ByteView(body).first(size), nullptr, {});
        ASSERT_FALSE(result) << size;
        EXPECT_EQ(result.error().code(), ErrorCode::scep_structure) << size;
        EXPECT_TRUE(std::regex_search(result.error().line(), located)) << size << ": " << result.error().line();
    }
}

INSTANTIATE_TEST_SUITE_P(Captures, CutCapture,
                         ::testing::Values("jscep.97.req.der", "jscep.97.rep.der", "jscep.GetCACert.bin",
                                           "jscep.GetNextCACert.bin", "micromdm210.41.req.der",
                                           "micromdm210.41.rep.der", "micromdm210.GetCACert.bin",
                                           "micromdm210-badchallenge.43.req.der", "micromdm210-badchallenge.43.rep.der",
                                           "micromdmHEAD.16.req.der", "micromdmHEAD.16.rep.der", "step-aes.64.req.der",
                                           "step-aes.64.rep.der", "step-aes.GetCACert.bin", "step-aes256.70.req.der",
                                           "step-aes256.70.rep.der", "step-def.66.req.der", "step-def.66.rep.der",
                                           "step-gcm.68.req.der", "step-gcm.68.rep.der"),
                         [](const auto& one) {
                             std::string name = one.param;
                             std::ranges::replace_if(
                                 name, [](char c) { return c == '.' || c == '-'; }, '_');
                             return name;
                         });

// The messages that no capture has.
TEST(DumpInput, SEC_18_a_poll_a_GetCert_and_CRLs_cut_at_each_octet_are_located) {
    const Bytes names = asn1::sequence({world().ca.subject().der(), asn1::integer(7)});
    for (const Bytes& body : {message_of_type(MessageType::cert_poll, names),
                              message_of_type(MessageType::get_cert, names), set_with_crl(), revocation_list_der()}) {
        for (std::size_t size = 0; size < body.size(); ++size) {
            const auto result = dump(ByteView(body).first(size), nullptr, {});
            ASSERT_FALSE(result) << size;
            EXPECT_THAT(result.error().line(), ContainsRegex("octet [0-9]+")) << size;
        }
    }
}

}  // namespace
}  // namespace hwenroll::scep
