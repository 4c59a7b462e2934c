#include "transport/scep/reply_attributes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/object_identifiers.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_foreign_nonce = 64;
constexpr std::size_t shown_characters = 80;

tl::unexpected<Error> bad_attribute(std::string_view name, std::string why) {
    return fail(ErrorCode::scep_attribute, fmt::format("the reply's attribute {} is malformed", name), std::move(why));
}

bool is_lenient_string(BerTag value) {
    constexpr std::array<BerTag, 4> lenient{tag::utf8_string, tag::t61_string, tag::ia5_string, tag::visible_string};
    return std::ranges::find(lenient, value) != lenient.end();
}

/// A string attribute (MSG-16); nothing when it is absent. `wrong_type`: the code for a value that is no string.
Result<std::optional<std::string>> string_value(const std::vector<Attribute>& attributes, std::string_view oid,
                                                std::string_view name, std::vector<std::string>& warnings,
                                                ErrorCode wrong_type = ErrorCode::scep_attribute) {
    const auto value = single_value(attributes, oid, name);
    if (!value) {
        return fail(value.error());
    }
    if (*value == nullptr) {
        return std::nullopt;
    }
    const BerTag type = (*value)->tag;
    if ((*value)->constructed || (type != tag::printable_string && !is_lenient_string(type))) {
        return fail(wrong_type, fmt::format("the reply's attribute {} is malformed", name),
                    "it is not a PrintableString");
    }
    if (type != tag::printable_string) {
        warnings.push_back(fmt::format("the attribute {} is not a PrintableString but another string", name));
    }
    return std::string(as_text((*value)->content));
}

Status check_message_type(const std::vector<Attribute>& attributes, CertRep& reply) {
    const auto type = string_value(attributes, oid_message_type, "messageType", reply.warnings);
    if (!type) {
        return fail(type.error());
    }
    if (!*type) {
        return fail(ErrorCode::scep_attribute, "the reply has no messageType");
    }
    if (**type != "3") {
        return fail(ErrorCode::scep_message_type,
                    fmt::format("the reply has messageType '{}' instead of 3", printable(**type, shown_characters)));
    }
    return {};
}

Status check_transaction(const std::vector<Attribute>& attributes, const ReplyExpectation& expected, CertRep& reply) {
    const auto id = string_value(attributes, oid_transaction_id, "transactionID", reply.warnings);
    if (!id) {
        return fail(id.error());
    }
    if (!*id) {
        return fail(ErrorCode::scep_attribute, "the reply has no transactionID");
    }
    if (**id != expected.transaction_id.value) {
        return fail(ErrorCode::scep_transaction,
                    fmt::format("the reply belongs to transaction '{}' instead of '{}'",
                                printable(**id, shown_characters), expected.transaction_id.value));
    }
    return {};
}

/// A nonce; nothing when it is absent.
Result<std::optional<ByteView>> nonce_value(const std::vector<Attribute>& attributes, std::string_view oid,
                                            std::string_view name) {
    const auto value = single_value(attributes, oid, name);
    if (!value) {
        return fail(value.error());
    }
    if (*value == nullptr) {
        return std::nullopt;
    }
    if ((*value)->tag != tag::octet_string || (*value)->constructed) {
        return bad_attribute(name, "it is not an OCTET STRING");
    }
    return (*value)->content;
}

Status check_nonces(const std::vector<Attribute>& attributes, const ReplyExpectation& expected) {
    const auto ours = nonce_value(attributes, oid_recipient_nonce, "recipientNonce");
    if (!ours) {
        return fail(ours.error());
    }
    if (!*ours) {
        return fail(ErrorCode::scep_nonce, "the reply does not say which request it answers", "no recipientNonce");
    }
    if (!equal(**ours, expected.sender_nonce.value)) {
        return fail(ErrorCode::scep_nonce, "the reply does not answer the request just sent",
                    fmt::format("a recipientNonce of {} octets that differs from our senderNonce", (*ours)->size()));
    }
    // Not needed, since replies are not answered (MSG-9); but what is there must be a nonce.
    const auto theirs = nonce_value(attributes, oid_sender_nonce, "senderNonce");
    if (!theirs) {
        return fail(theirs.error());
    }
    if (*theirs && (*theirs)->size() > max_foreign_nonce) {
        return bad_attribute("senderNonce", fmt::format("it has {} octets", (*theirs)->size()));
    }
    return {};
}

Status read_status(const std::vector<Attribute>& attributes, CertRep& reply) {
    const auto status = string_value(attributes, oid_pki_status, "pkiStatus", reply.warnings, ErrorCode::scep_status);
    if (!status) {
        return fail(status.error());
    }
    if (!*status) {
        return fail(ErrorCode::scep_attribute, "the reply has no pkiStatus");
    }
    if (**status == "0") {
        reply.status = PkiStatus::success;
    } else if (**status == "2") {
        reply.status = PkiStatus::failure;
    } else if (**status == "3") {
        reply.status = PkiStatus::pending;
    } else {
        return fail(ErrorCode::scep_status,
                    fmt::format("the reply has the unknown status '{}'", printable(**status, shown_characters)));
    }
    return {};
}

Status read_fail_info(const std::vector<Attribute>& attributes, CertRep& reply) {
    const auto info = string_value(attributes, oid_fail_info, "failInfo", reply.warnings);
    if (!info) {
        return fail(info.error());
    }
    if (reply.status != PkiStatus::failure) {
        if (*info) {
            reply.warnings.push_back(
                fmt::format("a failInfo in a reply of status {} was ignored", to_text(reply.status)));
        }
        return {};
    }
    if (!*info) {
        reply.warnings.emplace_back("the server did not say why it refused (no failInfo)");
    } else if ((*info)->size() == 1 && **info >= "0" && **info <= "4") {
        reply.fail_info = static_cast<FailInfo>((**info)[0] - '0');
    } else {
        // A failure all the same (BAD-83).
        reply.warnings.push_back(fmt::format("the unknown failInfo '{}'", printable(**info, shown_characters)));
    }
    return {};
}

/// Texts for people; a malformed one is left out and never fails a reply (MSG-14, MSG-15).
void read_explanations(const std::vector<Attribute>& attributes, CertRep& reply) {
    if (const auto text = single_value(attributes, oid_fail_info_text, "failInfoText"); text && *text != nullptr) {
        const BerTag type = (*text)->tag;
        if (!(*text)->constructed && (type == tag::printable_string || is_lenient_string(type))) {
            reply.fail_info_text = printable(as_text((*text)->content));
        } else {
            reply.warnings.emplace_back("a malformed failInfoText was ignored");
        }
    }
    if (const auto code = single_value(attributes, oid_microsoft_error, "Microsoft's error");
        code && *code != nullptr) {
        const std::string_view digits = as_text((*code)->content);
        std::int32_t value = 0;
        const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (problem == std::errc() && end == digits.data() + digits.size()) {
            reply.hresult = value;
        } else {
            reply.warnings.emplace_back("a malformed HRESULT was ignored");
        }
    }
}

}  // namespace

Status check_unique(const std::vector<Attribute>& attributes) {
    for (auto one = attributes.begin(); one != attributes.end(); ++one) {
        if (std::any_of(attributes.begin(), one, [&](const Attribute& other) { return other.oid == one->oid; })) {
            return fail(ErrorCode::scep_attribute,
                        fmt::format("the reply has the signed attribute {} twice", name_of_oid(one->oid)));
        }
    }
    return {};
}

Result<const BerValue*> single_value(const std::vector<Attribute>& attributes, std::string_view oid,
                                     std::string_view name) {
    const auto found = std::ranges::find_if(attributes, [&](const Attribute& a) { return a.oid == oid; });
    if (found == attributes.end()) {
        return nullptr;
    }
    if (found->values.size() != 1) {
        return bad_attribute(name, found->values.empty() ? "it has no value" : "it has more than one value");
    }
    return found->values.data();
}

Status read_reply_attributes(const std::vector<Attribute>& attributes, const ReplyExpectation& expected,
                             CertRep& reply) {
    if (Status type = check_message_type(attributes, reply); !type) {
        return type;
    }
    if (Status transaction = check_transaction(attributes, expected, reply); !transaction) {
        return transaction;
    }
    if (Status nonces = check_nonces(attributes, expected); !nonces) {
        return nonces;
    }
    if (Status status = read_status(attributes, reply); !status) {
        return status;
    }
    if (Status info = read_fail_info(attributes, reply); !info) {
        return info;
    }
    read_explanations(attributes, reply);
    return {};
}

}  // namespace hwenroll::scep
