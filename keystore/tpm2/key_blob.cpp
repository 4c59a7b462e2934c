#include "keystore/tpm2/key_blob.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/pem.h"
#include "keystore/key_spec.h"
#include "keystore/tpm2/encoding.h"

namespace hwenroll::keystore::tpm2 {

namespace {

constexpr std::string_view label = "TSS2 PRIVATE KEY";
constexpr std::string_view first_line = "-----BEGIN TSS2 PRIVATE KEY-----";
constexpr std::string_view last_line = "-----END TSS2 PRIVATE KEY-----";
constexpr std::string_view blanks = " \t\r\n";

// X.690 §8.1.2.
constexpr std::uint8_t tag_boolean = 0x01;
constexpr std::uint8_t tag_integer = 0x02;
constexpr std::uint8_t tag_octets = 0x04;
constexpr std::uint8_t tag_oid = 0x06;
constexpr std::uint8_t tag_sequence = 0x30;
constexpr std::uint8_t tag_context = 0xA0;  // [0] EXPLICIT

/// 2.23.133.10.1.3
constexpr std::array<std::uint8_t, 6> loadable_key = {0x67, 0x81, 0x05, 0x0A, 0x01, 0x03};

tl::unexpected<Error> damaged(std::string why) {
    return fail(ErrorCode::token_key_file, "the stored TPM key is no TSS2 PRIVATE KEY that can be used",
                std::move(why));
}

/// Takes one element with `tag` off the front of `in`: its content, or nothing. Lengths of up to 65,535 octets in their
/// shortest form.
std::optional<ByteView> take(ByteView& in, std::uint8_t tag) {
    if (in.size() < 2 || in[0] != tag) {
        return std::nullopt;
    }
    std::size_t size = in[1];
    std::size_t head = 2;
    if (size > 0x80) {
        const std::size_t octets = size & 0x7FU;
        if (octets > 2 || in.size() < 2 + octets) {
            return std::nullopt;
        }
        size = octets == 1 ? in[2] : std::size_t{256} * in[2] + in[3];
        head += octets;
        if (size < (octets == 1 ? 0x80U : 0x100U)) {
            return std::nullopt;
        }
    } else if (size == 0x80) {
        return std::nullopt;
    }
    if (in.size() - head < size) {
        return std::nullopt;
    }
    const ByteView content = in.subspan(head, size);
    in = in.subspan(head + size);
    return content;
}

void append(Bytes& out, std::uint8_t tag, ByteView content) {
    out.push_back(tag);
    const std::size_t size = content.size();
    if (size >= 0x100) {
        out.insert(out.end(), {0x82, static_cast<std::uint8_t>(size >> 8U)});
    } else if (size >= 0x80) {
        out.push_back(0x81);
    }
    out.push_back(static_cast<std::uint8_t>(size));
    out.insert(out.end(), content.begin(), content.end());
}

/// What is between the lines of the one block in `pem`.
Result<Bytes> der_in(std::string_view pem) {
    if (pem.size() > max_key_pem) {
        return damaged("it is longer than any key");
    }
    pem.remove_prefix(std::min(pem.find_first_not_of(blanks), pem.size()));
    pem.remove_suffix(pem.size() - std::min(pem.find_last_not_of(blanks) + 1, pem.size()));
    if (!pem.starts_with(first_line) || !pem.ends_with(last_line) ||
        pem.size() < first_line.size() + last_line.size()) {
        return damaged("the lines around a TSS2 PRIVATE KEY are not there");
    }
    pem.remove_prefix(first_line.size());
    pem.remove_suffix(last_line.size());
    auto der = from_base64(pem);
    return der ? *std::move(der) : Result<Bytes>(damaged("its base64 is malformed"));
}

/// Handles that a key may name as its parent: the owner hierarchy's primary key and persistent objects.
std::optional<TPM2_HANDLE> parent_in(ByteView integer) {
    if (integer.size() == 5 && integer[0] == 0) {
        integer = integer.subspan(1);
    }
    if (integer.size() != 4) {
        return std::nullopt;
    }
    TPM2_HANDLE handle = 0;
    for (const std::uint8_t octet : integer) {
        handle = handle << 8U | octet;
    }
    const bool persistent = handle >= TPM2_PERSISTENT_FIRST && handle <= TPM2_PERSISTENT_LAST;
    return persistent || handle == TPM2_RH_OWNER ? std::optional(handle) : std::nullopt;
}

/// The optional elements between type and parent.
std::optional<std::string> read_options(ByteView& in, KeyBlob& blob) {
    if (auto flag = take(in, tag_context)) {
        const auto value = take(*flag, tag_boolean);
        if (!value || value->size() != 1 || !flag->empty()) {
            return "its emptyAuth is no BOOLEAN";
        }
        blob.empty_auth = value->front() != 0;
    }
    for (std::uint8_t number = 1; number <= 3; ++number) {
        if (!in.empty() && in[0] == tag_context + number) {
            return "it needs a policy or is to be imported, which is not supported";
        }
    }
    take(in, tag_context + 4);
    take(in, tag_context + 5);
    return std::nullopt;
}

/// Reads a TPM2B structure that fills `in` to its end.
template <class T, class Unmarshal>
bool read_area(ByteView in, T& area, Unmarshal unmarshal) {
    std::size_t offset = 0;
    return unmarshal(in.data(), in.size(), &offset, &area) == TSS2_RC_SUCCESS && offset == in.size();
}

Bytes parent_octets(TPM2_HANDLE handle) {
    Bytes octets;
    if (handle >= 0x80000000U) {
        octets.push_back(0);
    }
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        octets.push_back(static_cast<std::uint8_t>(handle >> shift));
    }
    return octets;
}

}  // namespace

Result<KeyBlob> parse_key_blob(std::string_view pem) {
    const auto der = der_in(pem);
    if (!der) {
        return fail(der.error());
    }
    ByteView rest = *der;
    auto fields = take(rest, tag_sequence);
    if (!fields || !rest.empty()) {
        return damaged("it is no SEQUENCE, or octets follow it");
    }
    const auto type = take(*fields, tag_oid);
    if (!type || !equal(*type, loadable_key)) {
        return damaged("it is no loadable key (2.23.133.10.1.3)");
    }
    KeyBlob blob;
    if (auto why = read_options(*fields, blob)) {
        return damaged(*std::move(why));
    }
    const auto parent_field = take(*fields, tag_integer);
    const auto parent = parent_field ? parent_in(*parent_field) : std::nullopt;
    if (!parent) {
        return damaged("its parent is neither the owner hierarchy nor a persistent object");
    }
    blob.parent = *parent;
    const auto public_area = take(*fields, tag_octets);
    const auto private_area = take(*fields, tag_octets);
    if (!public_area || !read_area(*public_area, blob.public_area, Tss2_MU_TPM2B_PUBLIC_Unmarshal)) {
        return damaged("its public area is malformed");
    }
    if (!private_area || !read_area(*private_area, blob.private_area, Tss2_MU_TPM2B_PRIVATE_Unmarshal) ||
        blob.private_area.size == 0) {
        return damaged("its private area is malformed");
    }
    if (!fields->empty()) {
        return damaged("octets follow its private area");
    }
    return blob;
}

std::string to_pem(const KeyBlob& blob) {
    const Bytes public_area = octets_of(blob.public_area, Tss2_MU_TPM2B_PUBLIC_Marshal);
    const Bytes private_area = octets_of(blob.private_area, Tss2_MU_TPM2B_PRIVATE_Marshal);
    if (public_area.empty() || private_area.empty()) {
        return {};
    }
    // Written in both cases: where it is left out tpm2-openssl 1.1.1 takes the value for empty.
    Bytes flag;
    append(flag, tag_boolean, std::array<std::uint8_t, 1>{blob.empty_auth ? std::uint8_t{0xFF} : std::uint8_t{0}});
    Bytes fields;
    append(fields, tag_oid, loadable_key);
    append(fields, tag_context, flag);
    append(fields, tag_integer, parent_octets(blob.parent));
    append(fields, tag_octets, public_area);
    append(fields, tag_octets, private_area);
    Bytes der;
    append(der, tag_sequence, fields);
    return hwenroll::to_pem(label, der);
}

}  // namespace hwenroll::keystore::tpm2
