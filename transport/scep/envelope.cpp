#include "transport/scep/envelope.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_recipients = 64;
constexpr BerTag agreement_tag = tag::context(1);
constexpr BerTag password_tag = tag::context(3);
constexpr std::string_view oid_auth_enveloped_data = "1.2.840.113549.1.9.16.1.23";

/// The choices of RecipientInfo that are not key transport, by the number of their tag.
constexpr std::array<const char*, 5> other_recipient_kinds{
    {"unknown", "key agreement", "key encryption key", "password", "other"}};

KeyTransRecipient read_key_trans(const BerValue& value, BerReader& recipients, BerFault& fault) {
    BerReader fields = recipients.members(value, "a KeyTransRecipientInfo");
    KeyTransRecipient recipient;
    fields.expect(tag::integer, "the version of a KeyTransRecipientInfo");
    recipient.id = read_certificate_id(fields, fault);
    recipient.algorithm = read_algorithm(fields, fault, "keyEncryptionAlgorithm");
    recipient.encrypted_key = octets_of(fields.expect(tag::octet_string, "encryptedKey"), fault);
    fields.finish("a KeyTransRecipientInfo");
    return recipient;
}

void read_recipients(EnvelopedData& data, BerReader& fields, BerFault& fault) {
    BerReader recipients = fields.enter(tag::set, "recipientInfos");
    while (!recipients.at_end()) {
        if (data.recipients.size() + data.other_recipients.size() == max_recipients) {
            recipients.reject("there are too many recipients");
            return;
        }
        const BerValue value = recipients.next("a RecipientInfo");
        if (value.tag == tag::sequence) {
            data.recipients.push_back(read_key_trans(value, recipients, fault));
        } else {
            if (value.tag == agreement_tag) {
                data.agreements.push_back(value);
            } else if (value.tag == password_tag) {
                data.passwords.push_back(value);
            }
            const bool known =
                value.tag.tag_class == TagClass::context && value.tag.number < other_recipient_kinds.size();
            data.other_recipients.emplace_back(other_recipient_kinds[known ? value.tag.number : 0]);
        }
    }
}

EnvelopedData read_enveloped_data(const BerValue& value, BerFault& fault) {
    EnvelopedData data;
    BerReader outer(value.encoding, fault, value.offset);
    BerReader fields = outer.enter(tag::sequence, "EnvelopedData");
    fields.expect(tag::integer, "the version of EnvelopedData");
    fields.next_if(tag::context(0));  // originatorInfo (ENV-20)
    read_recipients(data, fields, fault);
    BerReader content = fields.enter(tag::sequence, "encryptedContentInfo");
    data.content_type = oid_of(content.expect(tag::object_identifier, "the type of the encrypted content"), fault);
    data.content_algorithm = read_algorithm(content, fault, "contentEncryptionAlgorithm");
    if (const auto encrypted = content.next_if(tag::context(0))) {
        data.encrypted_content = octets_of(*encrypted, fault);
    }
    content.finish("encryptedContentInfo");
    fields.next_if(tag::context(1));  // unprotectedAttrs (ENV-20)
    fields.finish("EnvelopedData");
    return data;
}

}  // namespace

Result<EnvelopedData> parse_enveloped_data(ByteView input, const ParseLimits& limits) {
    Result<ContentInfo> info = parse_content_info(input, limits);
    if (!info) {
        return fail(ErrorCode::scep_envelope, "the envelope is no CMS message", info.error().why());
    }
    if (info->type == oid_auth_enveloped_data) {
        return fail(ErrorCode::scep_algorithm, "the envelope is AuthEnvelopedData, which SCEP does not use", {},
                    "set the CA to AES-128-CBC");
    }
    if (info->type != oid_enveloped_data) {
        return fail(ErrorCode::scep_envelope, "the reply's content is no envelope",
                    "its content type is " + name_of_oid(info->type));
    }
    BerFault fault;
    EnvelopedData data = read_enveloped_data(info->content, fault);
    if (Status read = fault.status(ErrorCode::scep_envelope, "the envelope is malformed"); !read) {
        return fail(std::move(read).error());
    }
    return data;
}

}  // namespace hwenroll::scep
