// BAD-70 to BAD-86: the attributes of a CertRep.
#include <algorithm>
#include <array>
#include <cctype>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/mutation.h"
#include "tests/lab_ca/mutator_tables.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

constexpr std::string_view fail_info_text = "1.3.6.1.5.5.7.24.1";

/// These values, encoded, in place of those of an attribute.
void set(const Scene& scene, HttpReply& reply, std::string_view type, std::vector<Bytes> values) {
    forge(scene, reply, [&](ForgedSignedData& data) { data.attribute(type).values = std::move(values); });
}

void drop(const Scene& scene, HttpReply& reply, std::string_view type) {
    forge(scene, reply, [&](ForgedSignedData& data) { data.remove(type); });
}

std::string other_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
        return static_cast<char>(std::isupper(c) != 0 ? std::tolower(c) : std::toupper(c));
    });
    return text;
}

/// The request's nonce, or its first octets, with something behind it.
void set_nonce(const Scene& scene, HttpReply& reply, std::size_t kept, std::size_t more) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        Bytes nonce = scene.honest->recipient_nonce;
        nonce.resize(kept);
        nonce.insert(nonce.end(), more, 0x77);
        data.attribute(oid::recipient_nonce).values = {der::octet_string(nonce)};
    });
}

/// A FAILURE without content; `fail_info` and `text` are encoded, and absent where empty.
void refuse(const Scene& scene, HttpReply& reply, const Bytes& fail_info, const Bytes& text) {
    forge(scene, reply, [&](ForgedSignedData& data) {
        data.content.reset();
        data.attribute(oid::pki_status).values = {der::printable("2")};
        data.remove(oid::fail_info);
        if (!fail_info.empty()) {
            data.attribute(oid::fail_info).values = {fail_info};
        }
        if (!text.empty()) {
            data.attribute(fail_info_text).values = {text};
        }
    });
}

void refuse_with_number(const Scene& scene, HttpReply& reply, std::string_view number) {
    refuse(scene, reply, der::printable(number), {});
}

void refuse_with_text(const Scene& scene, HttpReply& reply, std::string_view text) {
    refuse(scene, reply, der::printable("2"), der::utf8(text));
}

/// 80,000 attributes of 12 octets, each of another type: 1.2 and an arc of three octets.
void flood(const Scene& scene, HttpReply& reply) {
    constexpr unsigned first = 0x4000;
    constexpr unsigned count = 80'000;
    forge(scene, reply, [&](ForgedSignedData& data) {
        for (unsigned arc = first; arc < first + count; ++arc) {
            const auto digit = [&](unsigned shift) { return static_cast<std::uint8_t>(arc >> shift & 0x7fU); };
            constexpr std::uint8_t more = 0x80;
            data.attributes.push_back({"",
                                       {der::null()},
                                       Bytes{0x06, 0x04, 0x2a, static_cast<std::uint8_t>(digit(14) | more),
                                             static_cast<std::uint8_t>(digit(7) | more), digit(0)}});
        }
    });
}

constexpr std::array table{
    Mutator{"BAD-70", "has another transactionID",
            [](const Scene& scene, HttpReply& reply) {
                set(scene, reply, oid::transaction_id, {der::printable("0123456789ABCDEF0123456789ABCDEF")});
            }},
    Mutator{"BAD-71", "has the transactionID in the other letter case",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) {
                    data.attribute(oid::transaction_id).values = {
                        der::printable(other_case(scene.honest->transaction_id))};
                });
            }},
    Mutator{"BAD-72", "has no transactionID",
            [](const Scene& scene, HttpReply& reply) { drop(scene, reply, oid::transaction_id); }},
    Mutator{"BAD-73", "has another recipientNonce",
            [](const Scene& scene, HttpReply& reply) { set_nonce(scene, reply, 0, 16); }},
    Mutator{"BAD-74", "has no recipientNonce",
            [](const Scene& scene, HttpReply& reply) { drop(scene, reply, oid::recipient_nonce); }},
    Mutator{"BAD-75", "has half of the nonce",
            [](const Scene& scene, HttpReply& reply) { set_nonce(scene, reply, 8, 0); }},
    Mutator{"BAD-75b", "has the nonce and more",
            [](const Scene& scene, HttpReply& reply) { set_nonce(scene, reply, 16, 8); }},
    Mutator{"BAD-77", "has the nonce as a PrintableString",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [&](ForgedSignedData& data) {
                    data.attribute(oid::recipient_nonce).values = {
                        der::printable(as_text(scene.honest->recipient_nonce))};
                });
            }},
    Mutator{"BAD-78", "has two pkiStatus attributes",
            [](const Scene& scene, HttpReply& reply) {
                forge(scene, reply, [](ForgedSignedData& data) {
                    data.attributes.push_back({std::string(oid::pki_status), {der::printable("2")}});
                });
            }},
    Mutator{"BAD-79", "has two values of pkiStatus",
            [](const Scene& scene, HttpReply& reply) {
                set(scene, reply, oid::pki_status, {der::printable("0"), der::printable("2")});
            }},
    Mutator{"BAD-80", "has the pkiStatus 1",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {der::printable("1")}); }},
    Mutator{"BAD-80b", "has the pkiStatus 4",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {der::printable("4")}); }},
    Mutator{"BAD-80c", "has an empty pkiStatus",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {der::printable("")}); }},
    Mutator{"BAD-80d", "has the pkiStatus 00",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {der::printable("00")}); }},
    Mutator{"BAD-80e", "has its pkiStatus as an INTEGER",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {der::integer(0)}); }},
    Mutator{"BAD-81", "has the messageType 19",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::message_type, {der::printable("19")}); }},
    Mutator{"BAD-81b", "has the messageType 03",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::message_type, {der::printable("03")}); }},
    Mutator{"BAD-82", "refuses without failInfo",
            [](const Scene& scene, HttpReply& reply) { refuse(scene, reply, {}, {}); }},
    Mutator{"BAD-83", "refuses with the failInfo 9",
            [](const Scene& scene, HttpReply& reply) { refuse_with_number(scene, reply, "9"); }},
    Mutator{"BAD-83b", "refuses with the failInfo -1",
            [](const Scene& scene, HttpReply& reply) { refuse_with_number(scene, reply, "-1"); }},
    Mutator{"BAD-83c", "refuses with a failInfo of 900,000 digits",
            [](const Scene& scene, HttpReply& reply) { refuse_with_number(scene, reply, std::string(900'000, '7')); }},
    Mutator{"BAD-84", "refuses with a text that would steer a terminal and forge a line",
            [](const Scene& scene, HttpReply& reply) {
                refuse_with_text(scene, reply,
                                 "no\x1b[2J\x1b]0;owned\x07\nE-OK web: all is well\r\xe2\x80\xae"
                                 "drowssap\xe2\x81\xa6 http://evil.example/?x");
            }},
    Mutator{"BAD-84b", "refuses with a text that is no UTF-8",
            [](const Scene& scene, HttpReply& reply) { refuse_with_text(scene, reply, "\xff\xfe\xc0\x80 no"); }},
    Mutator{"BAD-84c", "refuses with a text of 900 kB",
            [](const Scene& scene, HttpReply& reply) { refuse_with_text(scene, reply, std::string(900'000, 'n')); }},
    Mutator{"BAD-85", "has a pkiStatus without a value",
            [](const Scene& scene, HttpReply& reply) { set(scene, reply, oid::pki_status, {}); }},
    Mutator{"BAD-86", "has 80,000 unknown attributes, as many as the body may hold",
            [](const Scene& scene, HttpReply& reply) { flood(scene, reply); }},
};

}  // namespace

Mutators attribute_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
