#include "keystore/tpm2/properties.h"

#include <algorithm>

namespace hwenroll::keystore::tpm2 {

namespace {

/// Four characters in a number, without the zeros and blanks around them.
void append_characters(std::string& text, std::uint32_t number) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        const auto character = static_cast<char>(number >> shift & 0xFFU);
        if (character != '\0') {
            text += character;
        }
    }
}

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace

Outcome<std::vector<TPMS_TAGGED_PROPERTY>> read_properties(Connection& connection, TPM2_PT first, UINT32 count) {
    TPMI_YES_NO more = TPM2_NO;
    EsysPtr<TPMS_CAPABILITY_DATA> data;
    if (const auto read =
            connection.call("Esys_GetCapability", Esys_GetCapability, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                            TPM2_CAP{TPM2_CAP_TPM_PROPERTIES}, first, count, &more, Out(data));
        !read) {
        return tl::unexpected(read.error());
    }
    const TPML_TAGGED_TPM_PROPERTY& list = data->data.tpmProperties;
    return std::vector<TPMS_TAGGED_PROPERTY>(list.tpmProperty, list.tpmProperty + list.count);
}

std::uint32_t value_of(const std::vector<TPMS_TAGGED_PROPERTY>& properties, TPM2_PT wanted) {
    const auto found = std::find_if(properties.begin(), properties.end(),
                                    [wanted](const TPMS_TAGGED_PROPERTY& each) { return each.property == wanted; });
    return found == properties.end() ? 0 : found->value;
}

Outcome<TokenDescription> read_description(Connection& connection, const std::string& label, const StorageRoot& root) {
    const auto properties = read_properties(connection, TPM2_PT_MANUFACTURER, 5);
    if (!properties) {
        return tl::unexpected(properties.error());
    }
    constexpr std::size_t serial_octets = 8;
    TokenDescription token;
    token.label = label;
    append_characters(token.manufacturer, value_of(*properties, TPM2_PT_MANUFACTURER));
    for (const TPM2_PT part :
         {TPM2_PT_VENDOR_STRING_1, TPM2_PT_VENDOR_STRING_2, TPM2_PT_VENDOR_STRING_3, TPM2_PT_VENDOR_STRING_4}) {
        append_characters(token.model, value_of(*properties, part));
    }
    token.manufacturer = trimmed(std::move(token.manufacturer));
    token.model = trimmed(std::move(token.model));
    token.serial = to_hex(ByteView(sha256(root.name)).first(serial_octets));
    token.uri = "tpm2:serial=" + token.serial;
    token.initialized = true;
    return token;
}

}  // namespace hwenroll::keystore::tpm2
