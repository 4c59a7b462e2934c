// The agent's and the worker's messages: every kind travels unchanged, and no octets break the decoders.
#include "keystore/worker/token_protocol.h"

#include <random>

#include <gmock/gmock.h>

#include "keystore/worker/octet_stream.h"

namespace hwenroll::keystore {
namespace {

PublicKey some_key() {
    // 1,024 bits keep the exhaustive tests below fast; nothing here uses the key.
    Bytes modulus(128, 0xA5);
    modulus.back() = 0x0B;
    return *PublicKey::from_rsa(modulus, Bytes{1, 0, 1});
}

PublicKey some_ec_key() {
    // The generator of P-256 (FIPS 186-4 §D.1.2.3).
    return *PublicKey::from_ec(*from_hex("06082A8648CE3D030107"),
                               *from_hex("036B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"));
}

constexpr auto some_pem = "-----BEGIN TSS2 PRIVATE KEY-----";

KeyDescription some_description(bool flag) {
    return {{KeyId{{1, 2, 3}}, flag ? some_key() : some_ec_key(), flag ? "" : some_pem},
            "a label",
            {flag, !flag, flag, !flag, flag},
            !flag,
            flag,
            !flag,
            "pkcs11:id=%01"};
}

Error full_error() {
    return Error(ErrorCode::token_full, "what \xFF", "why \n", "next")
        .about("subject")
        .retry_after(std::chrono::seconds(4711));
}

/// Every kind of request, with every optional part both ways.
std::vector<Request> requests() {
    Pkcs11Options options{"lab", "/m.so", "pkcs11:token=lab", "file:/p", {}};
    options.deadlines.use = std::chrono::milliseconds(123456);
    options.network = true;
    LoginHistory history{PinSourceIdentity{1, 2, 3, -4, 5}, true, false};
    Tpm2Options tpm{"tpm", "device:/dev/tpmrm0", "file:/a", 0x81000010, 0x8100001F, {}};
    tpm.deadlines.login = std::chrono::milliseconds(654321);
    const KeyReference key{KeyId{Bytes(255, 7)}, some_key()};
    std::vector<Request> all;
    const auto add = [&all](RequestBody body) {
        all.push_back(
            {static_cast<std::uint32_t>(0xFFFFFF00U + all.size()), std::chrono::milliseconds(60000), std::move(body)});
    };
    add(ConfigureRequest{options});
    add(DescribeRequest{});
    add(LoginRequest{history});
    add(LoginRequest{});
    add(ListKeysRequest{});
    add(GenerateRequest{KeySpec::rsa_3072, KeyId{{9}}, "web"});
    add(GenerateRequest{KeySpec::ec_p384, KeyId{{9}}, "web"});
    add(FindRequest{KeyId{{0, 1}}});
    add(SignRequest{key, SignMechanism::rsa_pkcs1, Bytes(51, 1)});
    add(SignRequest{{KeyId{{1}}, some_ec_key()}, SignMechanism::ecdsa, Bytes(48, 1)});
    add(DecryptRequest{key, DecryptMechanism::rsa_pkcs1, Bytes(256, 2)});
    add(DestroyRequest{KeyId{}});
    add(ListTokensRequest{"/m.so"});
    add(PrepareLoginRequest{});
    add(ConfigureRequest{tpm});
    add(LookUpRequest{{KeyId{{1}}, some_ec_key(), some_pem}});
    add(LookUpRequest{key});
    add(SettleLoginRequest{});
    add(ListTokensRequest{"/m.so", true});
    add(AgreeRequest{{KeyId{{1}}, some_ec_key()}, some_ec_key()});
    add(CertifyRequest{key, Bytes(32, 3)});
    return all;
}

std::vector<Response> responses() {
    std::vector<Response> all;
    const auto add = [&all](ResponseBody body) {
        all.push_back({static_cast<std::uint32_t>(all.size() + 1), std::move(body)});
    };
    add(Done{});
    add(full_error());
    add(Error(ErrorCode::token_pin, "only what"));
    TokenDescription token{"label", "maker", "model", "serial", "pkcs11:", true, false, true, false, true};
    token.mechanisms = {0, 1, 0x80000001U};
    token.free_octets = 4711;
    add(token);
    add(LoginOutcome{LoginOutcome::Result::accepted, std::nullopt, std::nullopt});
    add(LoginOutcome{LoginOutcome::Result::refused, PinSourceIdentity{5, 4, 3, 2, -1}, full_error()});
    add(LoginPreparation{PinSourceIdentity{5, 4, 3, 2, -1}, token});
    add(LoginPreparation{});
    add(LoginSettlement{true});
    add(some_description(true));
    add(ResponseBody(std::in_place_type<std::optional<KeyDescription>>, some_description(false)));
    add(ResponseBody(std::in_place_type<std::optional<KeyDescription>>));
    add(std::vector<KeyDescription>{some_description(true), some_description(false)});
    add(std::vector<KeyDescription>{});
    add(std::vector<TokenDescription>{token, TokenDescription{}});
    add(Bytes{1, 2, 3});
    add(Secret(as_bytes("key")));
    add(KeyEvidence{{1}, {2, 2}, {3}, {4}, Bytes(91, 5), {}});
    return all;
}

/// The octets of every message of one direction.
template <class Message>
std::vector<Bytes> encodings(const std::vector<Message>& messages) {
    std::vector<Bytes> all;
    for (const auto& message : messages) {
        all.push_back(to_bytes(encode(message).reveal()));
    }
    return all;
}

// Two encodings are the same only if every field is: each test value differs from its default.
TEST(TokenProtocol, every_request_travels_unchanged) {
    for (const auto& request : requests()) {
        const Secret octets = encode(request);
        const auto decoded = decode_request(octets.reveal());
        ASSERT_TRUE(decoded) << decoded.error().line();
        EXPECT_EQ(decoded->sequence, request.sequence);
        EXPECT_EQ(decoded->deadline, request.deadline);
        EXPECT_EQ(decoded->body.index(), request.body.index());
        EXPECT_TRUE(equal(encode(*decoded).reveal(), octets.reveal())) << "kind " << request.body.index();
    }
}

TEST(TokenProtocol, every_response_travels_unchanged) {
    for (const auto& response : responses()) {
        const Secret octets = encode(response);
        const auto decoded = decode_response(octets.reveal());
        ASSERT_TRUE(decoded) << decoded.error().line();
        EXPECT_EQ(decoded->sequence, response.sequence);
        EXPECT_EQ(decoded->body.index(), response.body.index());
        EXPECT_TRUE(equal(encode(*decoded).reveal(), octets.reveal())) << "kind " << response.body.index();
    }
}

TEST(TokenProtocol, fields_arrive_where_they_were) {
    const auto messages = requests();
    const auto configured = decode_request(encode(messages[0]).reveal());
    EXPECT_EQ(std::get<ConfigureRequest>(configured->body).options,
              std::get<ConfigureRequest>(messages[0].body).options);
    const auto tpm = decode_request(encode(messages[14]).reveal());
    EXPECT_EQ(std::get<ConfigureRequest>(tpm->body).options, std::get<ConfigureRequest>(messages[14].body).options);
    const auto looked_up = decode_request(encode(messages[15]).reveal());
    EXPECT_EQ(std::get<LookUpRequest>(looked_up->body).key.pem, some_pem);
    const auto login = decode_request(encode(messages[2]).reveal());
    const auto& history = std::get<LoginRequest>(login->body).history;
    EXPECT_EQ(history.refused, (PinSourceIdentity{1, 2, 3, -4, 5}));
    EXPECT_TRUE(history.refused_unidentified);
    EXPECT_FALSE(history.outcome_unknown);
    const auto key = decode_response(encode(Response{1, some_description(true)}).reveal());
    const auto& description = std::get<KeyDescription>(key->body);
    EXPECT_EQ(description.protection, some_description(true).protection);
    EXPECT_EQ(description.key.public_key, some_key());
    EXPECT_EQ(description.label, "a label");
    EXPECT_EQ(description.key.pem, "");
    EXPECT_FALSE(description.can_sign);
    EXPECT_TRUE(description.can_decrypt);
    EXPECT_FALSE(description.can_derive);
    const auto other = decode_response(encode(Response{1, some_description(false)}).reveal());
    EXPECT_TRUE(std::get<KeyDescription>(other->body).can_derive);
    EXPECT_EQ(std::get<KeyDescription>(other->body).key.public_key.text(), "EC P-256");
    EXPECT_EQ(std::get<KeyDescription>(other->body).key.pem, some_pem);
}

TEST(TokenProtocol, every_kind_of_key_and_mechanism_travels_and_no_other) {
    for (std::uint8_t number = 0; number < 8; ++number) {
        const auto spec = static_cast<KeySpec>(number);
        const auto generate = decode_request(
            encode(Request{1, std::chrono::milliseconds(1), GenerateRequest{spec, KeyId{{9}}, "web"}}).reveal());
        ASSERT_EQ(generate.has_value(), number >= 1 && number <= 5) << int{number};
        const auto mechanism = static_cast<SignMechanism>(number);
        const KeyReference key{KeyId{{1}}, some_ec_key()};
        const auto sign = decode_request(
            encode(Request{1, std::chrono::milliseconds(1), SignRequest{key, mechanism, Bytes(32, 1)}}).reveal());
        ASSERT_EQ(sign.has_value(), number >= 1 && number <= 2) << int{number};
        if (generate) {
            EXPECT_EQ(std::get<GenerateRequest>(generate->body).spec, spec);
        }
        if (sign) {
            EXPECT_EQ(std::get<SignRequest>(sign->body).mechanism, mechanism);
        }
    }
}

TEST(TokenProtocol, a_wrapped_key_of_more_than_its_limit_is_refused) {
    const auto travels = [](std::size_t size) {
        const KeyReference key{KeyId{{1}}, some_ec_key(), std::string(size, 'x')};
        return decode_request(encode(Request{1, std::chrono::milliseconds(1), LookUpRequest{key}}).reveal());
    };
    EXPECT_TRUE(travels(max_key_pem));
    EXPECT_FALSE(travels(max_key_pem + 1));
}

// P1: the agent waits as long as the token says.
TEST(TokenProtocol, P1_an_error_keeps_its_wait) {
    const auto waiting = decode_response(encode(Response{1, full_error()}).reveal());
    EXPECT_EQ(std::get<Error>(waiting->body).retry_after(), std::chrono::seconds(4711));
    const auto plain = decode_response(encode(Response{1, Error(ErrorCode::token_pin, "what")}).reveal());
    EXPECT_EQ(std::get<Error>(plain->body).retry_after(), std::nullopt);
}

TEST(TokenProtocol, an_error_keeps_its_code_and_four_texts) {
    const auto decoded = decode_response(encode(Response{1, full_error()}).reveal());
    const auto& error = std::get<Error>(decoded->body);
    EXPECT_EQ(error.code(), ErrorCode::token_full);
    EXPECT_EQ(error.subject(), "subject");
    EXPECT_EQ(error.what(), "what \xFF");
    EXPECT_EQ(error.why(), "why \n");
    EXPECT_EQ(error.next(), "next");
    const auto plain = decode_response(encode(Response{1, Error(ErrorCode::token_pin, "what")}).reveal());
    EXPECT_EQ(std::get<Error>(plain->body).next(), error_info(ErrorCode::token_pin).next);
}

TEST(TokenProtocol, every_code_of_the_error_table_travels) {
    for (const auto& row : error_table()) {
        const auto decoded = decode_response(encode(Response{1, Error(row.code, "x")}).reveal());
        ASSERT_TRUE(decoded) << row.name;
        EXPECT_EQ(std::get<Error>(decoded->body).code(), row.code);
    }
}

TEST(TokenProtocol, a_long_error_text_is_cut) {
    const auto decoded =
        decode_response(encode(Response{1, Error(ErrorCode::token_operation, std::string(10'000, 'x'))}).reveal());
    ASSERT_TRUE(decoded);
    EXPECT_EQ(std::get<Error>(decoded->body).what().size(), 4096U);
}

TEST(TokenProtocol, a_message_cut_anywhere_is_refused) {
    const auto all_requests = encodings(requests());
    for (const auto& octets : all_requests) {
        for (std::size_t size = 0; size < octets.size(); ++size) {
            ASSERT_FALSE(decode_request(ByteView(octets).first(size))) << size << " of " << octets.size();
        }
    }
    const auto all_responses = encodings(responses());
    for (const auto& octets : all_responses) {
        for (std::size_t size = 0; size < octets.size(); ++size) {
            const auto decoded = decode_response(ByteView(octets).first(size));
            ASSERT_FALSE(decoded) << size << " of " << octets.size();
            EXPECT_EQ(decoded.error().code(), ErrorCode::token_protocol);
        }
    }
}

TEST(TokenProtocol, octets_after_the_end_are_refused) {
    for (Bytes octets : encodings(requests())) {
        octets.push_back(0);
        EXPECT_FALSE(decode_request(octets));
    }
    for (Bytes octets : encodings(responses())) {
        octets.push_back(0);
        EXPECT_FALSE(decode_response(octets));
    }
}

TEST(TokenProtocol, another_magic_version_or_direction_is_refused) {
    for (const std::size_t at : {0U, 3U, 4U, 5U}) {
        Bytes octets = encodings(requests())[1];
        octets[at] ^= 1U;
        EXPECT_FALSE(decode_request(octets)) << at;
    }
    for (const Bytes& octets : encodings(requests())) {
        EXPECT_FALSE(decode_response(octets));
    }
    for (const Bytes& octets : encodings(responses())) {
        EXPECT_FALSE(decode_request(octets));
    }
}

/// Decodes in both directions. What is accepted must have one meaning: it encodes to an acceptable message again.
void decode_both_ways(ByteView octets) {
    if (const auto request = decode_request(octets)) {
        ASSERT_TRUE(decode_request(encode(*request).reveal()));
    }
    if (const auto response = decode_response(octets)) {
        ASSERT_TRUE(decode_response(encode(*response).reveal()));
    }
}

TEST(TokenProtocol, a_changed_octet_never_breaks_the_decoder) {
    auto all = encodings(requests());
    for (auto& octets : encodings(responses())) {
        all.push_back(std::move(octets));
    }
    for (const auto& original : all) {
        for (std::size_t at = 0; at < original.size(); ++at) {
            for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
                Bytes octets = original;
                octets[at] = static_cast<std::uint8_t>(octets[at] ^ flip);
                decode_both_ways(octets);
            }
        }
    }
}

/// Worker and agent may be of different versions: the worker can be a service of its own. Whoever changes a message
/// raises the version, and then this digest.
TEST(TokenProtocol, O9_a_version_stands_for_one_layout_of_all_messages) {
    Bytes all;
    const auto add = [&](const Secret& message) {
        const ByteView octets = message.reveal();
        all.insert(all.end(), octets.begin(), octets.end());
    };
    for (const Request& request : requests()) {
        add(encode(request));
    }
    for (const Response& response : responses()) {
        add(encode(response));
    }
    TokenDescription described;
    described.mechanisms = {0x1041};
    described.free_octets = 77;
    add(encode(Response{9, described}));
    EXPECT_EQ(token_protocol_version, 5);
    EXPECT_EQ(to_hex(sha256(all)), "14BA5E2DD5ADBC4B4EE59214EFEAC2E020C65CED11A49D754A8E64EF059A6CFD");
}

TEST(TokenProtocol, random_octets_never_break_the_decoder) {
    std::mt19937 random(20261123);  // NOLINT(cert-msc51-cpp): the same octets every time
    for (int round = 0; round < 20'000; ++round) {
        OctetWriter message(64);
        message.u32(0x4857544B);
        message.u16(token_protocol_version);
        message.u8(static_cast<std::uint8_t>((round % 2 == 0 ? 1 : 128) + random() % 12));
        for (auto left = random() % 48; left > 0; --left) {
            message.u8(random() % 3 == 0 ? static_cast<std::uint8_t>(random()) : std::uint8_t{0});
        }
        decode_both_ways(message.take().reveal());
    }
}

TEST(TokenProtocol, a_count_of_elements_that_cannot_follow_costs_no_memory) {
    OctetWriter message(64);
    message.u32(0x4857544B);
    message.u16(token_protocol_version);
    message.u8(134);
    message.u32(1);
    message.u32(0xFFFFFFFF);
    message.u32(0);
    EXPECT_FALSE(decode_response(message.take().reveal()));
}

}  // namespace
}  // namespace hwenroll::keystore
