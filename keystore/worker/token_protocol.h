// What the agent and its token worker say to each other: typed values and their octets. Private to these two programs,
// which are always of one version; no compatibility is promised.
//
// A message is: magic "HWTK", version (2 octets), kind (1), sequence number (4), for requests the deadline in
// milliseconds (4), then the fields of its kind. A PIN is in none of them: the worker reads it itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/secret.h"
#include "keystore/token.h"
#include "keystore/token_options.h"

namespace hwenroll::keystore {

inline constexpr std::uint16_t token_protocol_version = 5;

/// Longest message in octets; room for the keys of a token with some thousand of them.
inline constexpr std::size_t max_message_size = std::size_t{4} * 1024 * 1024;

/// Says which token the worker is for; the first message of a connection, once. Answered by Done.
struct ConfigureRequest {
    TokenOptions options;
};
/// Token::describe. Answered by TokenDescription.
struct DescribeRequest {};
/// Token::prepare_login. Answered by LoginPreparation.
struct PrepareLoginRequest {};
/// Token::login. Answered by LoginOutcome.
struct LoginRequest {
    LoginHistory history;
};
/// Token::list_keys. Answered by a list of KeyDescription.
struct ListKeysRequest {};
/// Token::generate. Answered by KeyDescription.
struct GenerateRequest {
    KeySpec spec;
    KeyId id;
    std::string label;
};
/// Token::find. Answered by an optional KeyDescription.
struct FindRequest {
    KeyId id;
};
/// Token::look_up. Answered by KeyDescription.
struct LookUpRequest {
    KeyReference key;
};
/// Token::sign. Answered by Bytes.
struct SignRequest {
    KeyReference key;
    SignMechanism mechanism;
    Bytes input;
};
/// Token::decrypt. Answered by Secret.
struct DecryptRequest {
    KeyReference key;
    DecryptMechanism mechanism;
    Bytes ciphertext;
};
/// Token::agree. Answered by Secret.
struct AgreeRequest {
    KeyReference key;
    PublicKey peer;
};
/// Token::certify. Answered by KeyEvidence.
struct CertifyRequest {
    KeyReference key;
    Bytes nonce;
};
/// Token::destroy. Answered by Done.
struct DestroyRequest {
    KeyId id;
};
/// Every token that a module offers; needs no ConfigureRequest. Answered by a list of TokenDescription.
struct ListTokensRequest {
    std::string module;
    bool network = false;  ///< as in TokenOptions
};
/// Token::settle_login. Answered by LoginSettlement.
struct SettleLoginRequest {};

using RequestBody = std::variant<ConfigureRequest, DescribeRequest, LoginRequest, ListKeysRequest, GenerateRequest,
                                 FindRequest, SignRequest, DecryptRequest, DestroyRequest, ListTokensRequest,
                                 PrepareLoginRequest, LookUpRequest, SettleLoginRequest, AgreeRequest, CertifyRequest>;

/// A request. `deadline` counts from its arrival; the worker ends itself when it is over.
struct Request {
    std::uint32_t sequence = 0;
    std::chrono::milliseconds deadline{0};
    RequestBody body;
};

/// Success without a value.
struct Done {};

/// What settle_login() found.
struct LoginSettlement {
    bool login_per_use = false;  ///< some key wants a login for each use
};

using ResponseBody =
    std::variant<Done, Error, TokenDescription, LoginOutcome, KeyDescription, std::optional<KeyDescription>,
                 std::vector<KeyDescription>, std::vector<TokenDescription>, Bytes, Secret, LoginPreparation,
                 LoginSettlement, KeyEvidence>;

/// The one answer to a request, with its sequence number.
struct Response {
    std::uint32_t sequence = 0;
    ResponseBody body;
};

/// The octets of a message, wiped when they go. Texts of an Error are cut at 4096 octets.
Secret encode(const Request& request);
Secret encode(const Response& response);

/// Reads a message. Total: any octets yield a value or an error, lengths are checked before they are used, every octet
/// must be accounted for. Error code: token_protocol.
Result<Request> decode_request(ByteView message);
Result<Response> decode_response(ByteView message);

}  // namespace hwenroll::keystore
