// What comes from the network as BER, before anything looks at its meaning.
#include "transport/scep/ber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/asn1_forge.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using ::testing::HasSubstr;

constexpr std::size_t depth = 32;

Bytes nested(std::size_t levels) {
    Bytes inner{0x05, 0x00};
    for (std::size_t i = 0; i < levels; ++i) {
        inner = asn1::sequence({inner});
    }
    return inner;
}

TEST(CheckBer, gives_the_length_of_the_first_value) {
    const Bytes value = asn1::sequence({asn1::integer(1), asn1::octet_string(Bytes(300, 7))});
    Bytes followed = value;
    followed.push_back(0xAA);
    EXPECT_EQ(check_ber(value, depth).value(), value.size());
    EXPECT_EQ(check_ber(followed, depth).value(), value.size());
}

// BAD-63, BAD-64
TEST(CheckBer, takes_indefinite_lengths_with_their_end_and_not_without) {
    Bytes value = asn1::indefinite(0x30, {asn1::integer(1), asn1::octet_string_in_pieces(Bytes(10000, 1), 1)});
    EXPECT_EQ(check_ber(value, depth).value(), value.size());
    value.resize(value.size() - 2);
    const auto unfinished = check_ber(value, depth);
    ASSERT_FALSE(unfinished);
    EXPECT_EQ(unfinished.error().code(), ErrorCode::scep_structure);
}

// BAD-62
TEST(CheckBer, BAD_62_counts_nesting_without_recursion) {
    EXPECT_TRUE(check_ber(nested(depth), depth));
    EXPECT_FALSE(check_ber(nested(depth + 1), depth));
    Bytes hostile;
    for (int i = 0; i < 100000; ++i) {
        hostile.insert(hostile.end(), {0x30, 0x80});
    }
    const auto result = check_ber(hostile, depth);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_structure);
    EXPECT_THAT(result.error().line(), HasSubstr("nested too deeply"));
}

struct Malformed {
    const char* what;
    Bytes input;
    ErrorCode code;
};

// BAD-63, BAD-65: every way to be wrong has its code and its offset.
TEST(CheckBer, BAD_65_names_what_is_wrong) {
    const Malformed cases[] = {
        {"empty", {}, ErrorCode::scep_structure},
        {"tag alone", {0x30}, ErrorCode::scep_structure},
        {"outermost length beyond the end", {0x30, 0x05, 0x02, 0x01, 0x01}, ErrorCode::ca_truncated},
        {"length cut", {0x30, 0x82, 0x01}, ErrorCode::scep_structure},
        {"inner length beyond its parent", {0x30, 0x03, 0x02, 0x7F, 0x01}, ErrorCode::scep_structure},
        {"inner length overflows",
         {0x30, 0x0A, 0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255},
         ErrorCode::scep_structure},
        {"length of nine octets", {0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0}, ErrorCode::scep_structure},
        {"reserved length", {0x30, 0xFF}, ErrorCode::scep_structure},
        {"primitive of indefinite length", {0x04, 0x80, 0x00, 0x00}, ErrorCode::scep_structure},
        {"end-of-contents alone", {0x00, 0x00}, ErrorCode::scep_structure},
        {"end-of-contents in a definite value", {0x30, 0x02, 0x00, 0x00}, ErrorCode::scep_structure},
        {"tag number without end", {0x3F, 0x81, 0x81}, ErrorCode::scep_structure},
        {"tag number with leading zero", {0x3F, 0x80, 0x01, 0x00}, ErrorCode::scep_structure},
        {"tag number of 35 bits", {0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x00}, ErrorCode::scep_structure},
    };
    for (const Malformed& one : cases) {
        SCOPED_TRACE(one.what);
        const auto result = check_ber(one.input, depth);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), one.code) << result.error().line();
    }
}

// No prefix of a value is a value, and no octet of it can be read past the end (run under asan).
TEST(CheckBer, refuses_every_prefix) {
    const Bytes definite = asn1::sequence({asn1::set({asn1::integer(3)}), asn1::octet_string(Bytes(200, 1))});
    const Bytes indefinite = asn1::indefinite(0x30, {asn1::indefinite(0xA0, {definite}), asn1::null()});
    for (const Bytes& value : {definite, indefinite}) {
        for (std::size_t size = 0; size < value.size(); ++size) {
            const Bytes cut(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(check_ber(cut, depth)) << size;
        }
    }
}

TEST(BerReader, walks_through_both_kinds_of_length) {
    for (const bool indefinite : {false, true}) {
        const Bytes members = asn1::joined({asn1::integer(5), asn1::tagged(0, {asn1::null()})});
        const Bytes value = indefinite ? asn1::indefinite(0x30, {members}) : asn1::sequence({members});
        BerFault fault;
        BerReader outer(value, fault);
        BerReader fields = outer.enter(tag::sequence, "a value");
        const BerValue number = fields.expect(tag::integer, "a number");
        EXPECT_EQ(to_bytes(number.content), Bytes{5});
        EXPECT_EQ(number.offset, 2U);
        EXPECT_FALSE(fields.next_if(tag::context(1)));
        EXPECT_TRUE(fields.next_if(tag::context(0)));
        fields.finish("a value");
        outer.finish("the input");
        EXPECT_TRUE(fault.status(ErrorCode::scep_structure, "reading")) << indefinite;
    }
}

// House rule: an error says where and why. The first one counts, and nothing is read after it.
TEST(BerReader, keeps_the_first_fault_and_then_stands_still) {
    const Bytes value = asn1::sequence({asn1::integer(5), asn1::null()});
    BerFault fault;
    BerReader outer(value, fault);
    BerReader fields = outer.enter(tag::sequence, "a value");
    fields.expect(tag::set, "a set");
    EXPECT_TRUE(fields.at_end());
    EXPECT_TRUE(fields.next("anything").encoding.empty());
    outer.finish("the input");
    const Status status = fault.status(ErrorCode::scep_structure, "reading failed");
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().line(), HasSubstr("octet 2: a set should have universal tag 17"));
}

TEST(BerReader, joins_the_pieces_of_an_octet_string) {
    const Bytes content(2500, 0x42);
    const Bytes pieces = asn1::octet_string_in_pieces(content, 1000);
    BerFault fault;
    EXPECT_EQ(octets_of(BerReader(pieces, fault).next("a string"), fault), content);
    const Bytes nested_pieces = asn1::indefinite(0x24, {pieces, asn1::octet_string(Bytes{1})});
    EXPECT_EQ(octets_of(BerReader(nested_pieces, fault).next("a string"), fault).size(), content.size() + 1);
    EXPECT_FALSE(fault.failed());
    const Bytes foreign = asn1::value(0x24, {asn1::integer(1)});
    octets_of(BerReader(foreign, fault).next("a string"), fault);
    EXPECT_TRUE(fault.failed());
}

// BAD-66
TEST(BerReader, BAD_66_reads_object_identifiers_in_shortest_form_only) {
    const auto read = [](const Bytes& encoding) {
        BerFault fault;
        const std::string text = oid_of(BerReader(encoding, fault).next("an OID"), fault);
        return fault.failed() ? "malformed" : text;
    };
    EXPECT_EQ(read(asn1::oid("2.16.840.1.113733.1.9.2")), "2.16.840.1.113733.1.9.2");
    EXPECT_EQ(read(asn1::oid("1.2.840.113549.1.7.2")), "1.2.840.113549.1.7.2");
    EXPECT_EQ(read(asn1::oid("2.999.3")), "2.999.3");
    EXPECT_EQ(read(asn1::oid("0.39")), "0.39");
    EXPECT_EQ(read({0x06, 0x03, 0x2A, 0x80, 0x01}), "malformed");
    EXPECT_EQ(read({0x06, 0x02, 0x2A, 0x86}), "malformed");
    EXPECT_EQ(read({0x06, 0x00}), "malformed");
    EXPECT_EQ(read(asn1::value(0x06, {Bytes(20, 0xFF), Bytes{0x01}})), "malformed");
    EXPECT_EQ(read(asn1::value(0x06, {Bytes(100000, 0x01)})), "malformed");
}

}  // namespace
}  // namespace hwenroll::scep
