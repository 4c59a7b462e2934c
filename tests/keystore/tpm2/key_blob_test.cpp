// TSS2 PRIVATE KEY files that are spoilt, cut or meant for somebody else.
#include "keystore/tpm2/key_blob.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "base/pem.h"
#include "keystore/key_spec.h"
#include "keystore/tpm2/public_area.h"

namespace hwenroll::keystore::tpm2 {
namespace {

using ::testing::HasSubstr;

constexpr auto label = "TSS2 PRIVATE KEY";

/// A key that no TPM has made; nothing here loads it.
KeyBlob some_blob() {
    KeyBlob blob;
    blob.public_area = key_template(KeySpec::ec_p256, KeyId{Bytes(16, 7)});
    // The generator of P-256 (FIPS 186-4 §D.1.2.3).
    const Bytes x = *from_hex("6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296");
    const Bytes y = *from_hex("4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5");
    TPMS_ECC_POINT& point = blob.public_area.publicArea.unique.ecc;
    point.x.size = point.y.size = 32;
    std::copy(x.begin(), x.end(), point.x.buffer);
    std::copy(y.begin(), y.end(), point.y.buffer);
    blob.private_area.size = 126;
    std::fill_n(blob.private_area.buffer, 126, std::uint8_t{0x5A});
    return blob;
}

Bytes der_of(const std::string& pem) {
    const auto from = pem.find('\n');
    return *from_base64(std::string_view(pem).substr(from, pem.rfind("\n-----END") - from));
}

std::string why(const std::string& pem) {
    const auto blob = parse_key_blob(pem);
    if (blob) {
        return "accepted";
    }
    EXPECT_EQ(blob.error().code(), ErrorCode::token_key_file);
    return blob.error().why();
}

TEST(KeyBlob, is_read_as_it_was_written) {
    for (const TPM2_HANDLE parent : {TPM2_RH_OWNER, TPM2_HANDLE{0x81000001}}) {
        for (const bool empty : {true, false}) {
            KeyBlob blob = some_blob();
            blob.parent = parent;
            blob.empty_auth = empty;
            const auto read = parse_key_blob(to_pem(blob));
            ASSERT_TRUE(read) << read.error().line();
            EXPECT_EQ(read->parent, parent);
            EXPECT_EQ(read->empty_auth, empty);
            EXPECT_EQ(id_in(read->public_area), KeyId{Bytes(16, 7)});
            EXPECT_EQ(to_pem(*read), to_pem(blob));
        }
    }
}

TEST(KeyBlob, blanks_around_it_do_not_matter) {
    EXPECT_TRUE(parse_key_blob(" \r\n" + to_pem(some_blob()) + "\n\n"));
}

TEST(KeyBlob, cut_at_any_octet_is_refused) {
    const std::string pem = to_pem(some_blob());
    for (std::size_t size = 0; size + 1 < pem.size(); ++size) {
        ASSERT_FALSE(parse_key_blob(pem.substr(0, size))) << size;
    }
    const Bytes der = der_of(pem);
    for (std::size_t size = 0; size < der.size(); ++size) {
        ASSERT_FALSE(parse_key_blob(hwenroll::to_pem(label, ByteView(der).first(size)))) << size;
    }
}

TEST(KeyBlob, a_changed_octet_never_breaks_the_reader) {
    const Bytes der = der_of(to_pem(some_blob()));
    for (std::size_t at = 0; at < der.size(); ++at) {
        // All values where the structure is, some where only numbers are.
        for (unsigned flip = 1; flip < 256; flip += at < 48 ? 1 : 0x3F) {
            Bytes changed = der;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
            const auto blob = parse_key_blob(hwenroll::to_pem(label, changed));
            if (blob) {
                public_key_in(blob->public_area);
                ASSERT_TRUE(parse_key_blob(to_pem(*blob))) << at << ' ' << flip;
            }
        }
    }
}

TEST(KeyBlob, what_is_wrong_is_said) {
    const std::string good = to_pem(some_blob());
    EXPECT_EQ(parse_key_blob("").error().code(), ErrorCode::token_key_file);
    EXPECT_THAT(why(""), HasSubstr("lines around"));
    EXPECT_THAT(why("-----BEGIN TSS2 PRIVATE KEY-----"), HasSubstr("lines around"));
    EXPECT_THAT(why(good + good), HasSubstr("base64"));
    EXPECT_THAT(why("x" + good), HasSubstr("lines around"));
    EXPECT_THAT(why(std::string(max_key_pem + 1, ' ')), HasSubstr("longer"));
    std::string letters = good;
    letters[40] = '!';
    EXPECT_THAT(why(letters), HasSubstr("base64"));

    const Bytes der = der_of(good);
    const auto changed = [&](std::size_t at, std::uint8_t value) {
        Bytes copy = der;
        copy.at(at) = value;
        return why(hwenroll::to_pem(label, copy));
    };
    // SEQUENCE 30 82 LL LL, OID 06 06 …, [0] A0 03 01 01 FF, INTEGER 02 04 40 00 00 01, OCTET STRING 04 …
    EXPECT_THAT(changed(0, 0x31), HasSubstr("SEQUENCE"));
    const auto oid = static_cast<std::size_t>(std::find(der.begin(), der.end(), 0x06) - der.begin());
    EXPECT_THAT(changed(oid + 7, 0x05), HasSubstr("loadable key"));
    EXPECT_THAT(changed(oid + 10, 0x02), HasSubstr("emptyAuth"));
    EXPECT_THAT(changed(oid + 8, 0xA1), HasSubstr("policy"));
    EXPECT_THAT(changed(oid + 8, 0xA2), HasSubstr("policy"));
    EXPECT_THAT(changed(oid + 8, 0xA3), HasSubstr("policy"));
    EXPECT_THAT(changed(oid + 15, 0x41), HasSubstr("parent"));
    EXPECT_THAT(changed(oid + 18, 0x02), HasSubstr("parent"));
    EXPECT_THAT(changed(oid + 22, 0xFF), HasSubstr("public area"));
    Bytes trailing = der;
    trailing.push_back(0);
    EXPECT_THAT(why(hwenroll::to_pem(label, trailing)), HasSubstr("follow"));
    EXPECT_THAT(why(hwenroll::to_pem("PRIVATE KEY", der)), HasSubstr("lines around"));
}

TEST(KeyBlob, no_private_area_is_refused) {
    KeyBlob blob = some_blob();
    blob.private_area.size = 0;
    EXPECT_THAT(why(to_pem(blob)), HasSubstr("private area"));
}

}  // namespace
}  // namespace hwenroll::keystore::tpm2
