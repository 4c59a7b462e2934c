#include "keystore/worker/token_protocol.h"

#include <array>
#include <utility>

#include "keystore/worker/message_parts.h"

namespace hwenroll::keystore {
namespace {

constexpr std::uint32_t magic = 0x4857544B;  // "HWTK"

/// Longest input or output of a key operation, in octets.
constexpr std::size_t max_data = std::size_t{64} * 1024;

/// The numbers travel between processes and are never reused.
enum class Kind : std::uint8_t {
    configure = 1,
    describe = 2,
    login = 3,
    list_keys = 4,
    generate = 5,
    find = 6,
    sign = 7,
    decrypt = 8,
    destroy = 9,
    list_tokens = 10,
    prepare_login = 11,
    look_up = 12,
    settle_login = 13,
    agree = 14,
    certify = 15,

    done = 128,
    error = 129,
    token = 130,
    login_outcome = 131,
    key = 132,
    maybe_key = 133,
    keys = 134,
    tokens = 135,
    octets = 136,
    secret = 137,
    login_preparation = 138,
    login_settlement = 139,
    key_evidence = 140,
};

Kind kind_of(const RequestBody& body) {
    // In the order of the variant's alternatives.
    constexpr std::array kinds{Kind::configure,    Kind::describe,    Kind::login,         Kind::list_keys,
                               Kind::generate,     Kind::find,        Kind::sign,          Kind::decrypt,
                               Kind::destroy,      Kind::list_tokens, Kind::prepare_login, Kind::look_up,
                               Kind::settle_login, Kind::agree,       Kind::certify};
    static_assert(kinds.size() == std::variant_size_v<RequestBody>);
    return kinds.at(body.index());
}

Kind kind_of(const ResponseBody& body) {
    constexpr std::array kinds{Kind::done,
                               Kind::error,
                               Kind::token,
                               Kind::login_outcome,
                               Kind::key,
                               Kind::maybe_key,
                               Kind::keys,
                               Kind::tokens,
                               Kind::octets,
                               Kind::secret,
                               Kind::login_preparation,
                               Kind::login_settlement,
                               Kind::key_evidence};
    static_assert(kinds.size() == std::variant_size_v<ResponseBody>);
    return kinds.at(body.index());
}

void write_head(OctetWriter& out, Kind kind, std::uint32_t sequence) {
    out.u32(magic);
    out.u16(token_protocol_version);
    out.u8(static_cast<std::uint8_t>(kind));
    out.u32(sequence);
}

/// Writes the fields of each kind of body.
struct BodyWriter {
    OctetWriter& out;

    void operator()(const ConfigureRequest& body) const { write(out, body.options); }
    void operator()(const DescribeRequest&) const {}
    void operator()(const PrepareLoginRequest&) const {}
    void operator()(const SettleLoginRequest&) const {}
    void operator()(const LoginRequest& body) const {
        write(out, body.history.refused);
        out.flag(body.history.refused_unidentified);
        out.flag(body.history.outcome_unknown);
    }
    void operator()(const ListKeysRequest&) const {}
    void operator()(const GenerateRequest& body) const {
        out.u8(static_cast<std::uint8_t>(body.spec));
        out.octets(body.id.value);
        out.text(body.label);
    }
    void operator()(const FindRequest& body) const { out.octets(body.id.value); }
    void operator()(const LookUpRequest& body) const { write(out, body.key); }
    void operator()(const SignRequest& body) const {
        write(out, body.key);
        out.u8(static_cast<std::uint8_t>(body.mechanism));
        out.octets(body.input);
    }
    void operator()(const DecryptRequest& body) const {
        write(out, body.key);
        out.u8(static_cast<std::uint8_t>(body.mechanism));
        out.octets(body.ciphertext);
    }
    void operator()(const AgreeRequest& body) const {
        write(out, body.key);
        write(out, body.peer);
    }
    void operator()(const CertifyRequest& body) const {
        write(out, body.key);
        out.octets(body.nonce);
    }
    void operator()(const DestroyRequest& body) const { out.octets(body.id.value); }
    void operator()(const ListTokensRequest& body) const {
        out.text(body.module);
        out.flag(body.network);
    }

    void operator()(const Done&) const {}
    void operator()(const LoginSettlement& body) const { out.flag(body.login_per_use); }
    void operator()(const std::optional<KeyDescription>& body) const {
        out.flag(body.has_value());
        if (body) {
            write(out, *body);
        }
    }
    void operator()(const Bytes& body) const { out.octets(body); }
    void operator()(const Secret& body) const { out.octets(body.reveal()); }
    template <class Body>
    void operator()(const Body& body) const {
        write(out, body);
    }
};

std::optional<RequestBody> read_request_body(OctetReader& in, Kind kind) {
    switch (kind) {
        case Kind::configure:
            return ConfigureRequest{read_options(in)};
        case Kind::describe:
            return DescribeRequest{};
        case Kind::prepare_login:
            return PrepareLoginRequest{};
        case Kind::settle_login:
            return SettleLoginRequest{};
        case Kind::login: {
            LoginHistory history;
            history.refused = read_identity(in);
            history.refused_unidentified = in.flag();
            history.outcome_unknown = in.flag();
            return LoginRequest{history};
        }
        case Kind::list_keys:
            return ListKeysRequest{};
        case Kind::generate: {
            const KeySpec spec = read_enum(in, KeySpec::ec_p384);
            KeyId id = read_id(in);
            return GenerateRequest{spec, std::move(id), in.text(max_text)};
        }
        case Kind::find:
            return FindRequest{read_id(in)};
        case Kind::look_up: {
            auto key = read_reference(in);
            return key ? std::optional<RequestBody>(LookUpRequest{std::move(*key)}) : std::nullopt;
        }
        case Kind::sign: {
            auto key = read_reference(in);
            const auto mechanism = read_enum(in, SignMechanism::ecdsa);
            const ByteView input = in.octets(max_data);
            return key ? std::optional<RequestBody>(SignRequest{std::move(*key), mechanism, to_bytes(input)})
                       : std::nullopt;
        }
        case Kind::decrypt: {
            auto key = read_reference(in);
            const auto mechanism = read_enum(in, DecryptMechanism::rsa_oaep_sha256);
            const ByteView input = in.octets(max_data);
            return key ? std::optional<RequestBody>(DecryptRequest{std::move(*key), mechanism, to_bytes(input)})
                       : std::nullopt;
        }
        case Kind::agree: {
            auto key = read_reference(in);
            auto peer = read_public_key(in);
            return key && peer ? std::optional<RequestBody>(AgreeRequest{std::move(*key), std::move(*peer)})
                               : std::nullopt;
        }
        case Kind::certify: {
            auto key = read_reference(in);
            const ByteView nonce = in.octets(max_evidence_nonce);
            return key ? std::optional<RequestBody>(CertifyRequest{std::move(*key), to_bytes(nonce)}) : std::nullopt;
        }
        case Kind::destroy:
            return DestroyRequest{read_id(in)};
        case Kind::list_tokens: {
            std::string module = in.text(max_text);
            return ListTokensRequest{std::move(module), in.flag()};
        }
        default:
            return std::nullopt;
    }
}

/// A body that holds `value`, which must exist.
template <class T>
std::optional<ResponseBody> body_of(std::optional<T> value) {
    return value ? std::optional<ResponseBody>(std::move(*value)) : std::nullopt;
}

std::optional<ResponseBody> read_response_body(OctetReader& in, Kind kind) {
    switch (kind) {
        case Kind::done:
            return Done{};
        case Kind::error:
            return read_error(in);
        case Kind::token:
            return read_token(in);
        case Kind::login_preparation:
            return read_preparation(in);
        case Kind::login_settlement:
            return LoginSettlement{in.flag()};
        case Kind::login_outcome:
            return read_outcome(in);
        case Kind::key:
            return body_of(read_key(in));
        case Kind::maybe_key: {
            const bool present = in.flag();
            auto key = present ? read_key(in) : std::nullopt;
            if (present != key.has_value()) {
                return std::nullopt;
            }
            return ResponseBody(std::in_place_type<std::optional<KeyDescription>>, std::move(key));
        }
        case Kind::keys:
            return read_keys(in);
        case Kind::tokens:
            return read_tokens(in);
        case Kind::key_evidence:
            return read_evidence(in);
        case Kind::octets:
            return to_bytes(in.octets(max_data));
        case Kind::secret:
            return Secret(in.octets(max_data));
        default:
            return std::nullopt;
    }
}

/// The octets of a secret body, so that the writer never outgrows its buffer.
std::size_t room_for(const ResponseBody& body) {
    constexpr std::size_t usual = 1024;
    const auto* secret = std::get_if<Secret>(&body);
    return usual + (secret != nullptr ? secret->size() : 0);
}

/// Reads the head that both directions share; the kind, or nothing.
std::optional<Kind> read_head(OctetReader& in, std::uint32_t& sequence) {
    const bool ours = in.u32() == magic && in.u16() == token_protocol_version;
    const auto kind = static_cast<Kind>(in.u8());
    sequence = in.u32();
    return ours && !in.failed() ? std::optional(kind) : std::nullopt;
}

tl::unexpected<Error> no_message(std::string what, ByteView message) {
    return fail(ErrorCode::token_protocol, std::move(what),
                "a message of " + std::to_string(message.size()) + " octets is malformed");
}

}  // namespace

Secret encode(const Request& request) {
    OctetWriter out(1024);
    write_head(out, kind_of(request.body), request.sequence);
    write(out, request.deadline);
    std::visit(BodyWriter{out}, request.body);
    return out.take();
}

Secret encode(const Response& response) {
    OctetWriter out(room_for(response.body));
    write_head(out, kind_of(response.body), response.sequence);
    std::visit(BodyWriter{out}, response.body);
    return out.take();
}

Result<Request> decode_request(ByteView message) {
    OctetReader in(message);
    Request request;
    const auto kind = read_head(in, request.sequence);
    request.deadline = read_duration(in);
    auto body = kind ? read_request_body(in, *kind) : std::nullopt;
    if (!body || !in.complete()) {
        return no_message("the token worker received no request", message);
    }
    request.body = std::move(*body);
    return request;
}

Result<Response> decode_response(ByteView message) {
    OctetReader in(message);
    Response response;
    const auto kind = read_head(in, response.sequence);
    auto body = kind ? read_response_body(in, *kind) : std::nullopt;
    if (!body || !in.complete()) {
        return no_message("the token worker sent no answer", message);
    }
    response.body = std::move(*body);
    return response;
}

}  // namespace hwenroll::keystore
